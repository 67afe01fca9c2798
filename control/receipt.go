package control

import (
	"tianfu/fault"
	"tianfu/job"
	"tianfu/meter"
)

// ReceiptMaker folds a history and keeps, of one job, what its part of the ledger
// can be recomputed from.
type ReceiptMaker struct {
	ID  job.ID
	out *meter.Receipt
	v   Recovery
}

// Add takes the next record.
func (m *ReceiptMaker) Add(r *Record) error {
	if r.Kind == Metered {
		if err := m.page(r.Page); err != nil {
			return err
		}
	}
	if r.Kind == Submitted && r.Job == m.ID {
		m.out = meter.NewReceipt(m.ID, r.Spec.Name, r.Spec.Tenant)
	}
	return m.v.Add(r)
}

func (m *ReceiptMaker) page(p *meter.Page) error {
	s := m.v.s
	if s == nil || s.ledger == nil || m.out == nil {
		return nil
	}
	for i := range p.Nodes {
		n := &p.Nodes[i]
		held := false
		for k := range n.Parts {
			held = held || n.Parts[k].Line == meter.TaskLine && n.Parts[k].Job == m.ID
		}
		if !held {
			continue
		}
		if err := m.out.Add(p.Site, string(s.cap.Node(n.Node).ID), s.meterInterval(n.Node, p), n); err != nil {
			return err
		}
	}
	return nil
}

// Receipt returns the receipt of all that was added, recomputed and sealed.
func (m *ReceiptMaker) Receipt() (*meter.Receipt, error) {
	if m.out == nil {
		return nil, fault.New(fault.NotFound, m.ID.String(), "is not in the records that are kept", "")
	}
	if err := m.out.Seal(); err != nil {
		return nil, err
	}
	if err := m.out.Verify(); err != nil {
		return nil, fault.Wrap(err, m.ID.String(), "recompute its part of the ledger")
	}
	return m.out, nil
}

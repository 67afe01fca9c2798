package meter

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"tianfu/fault"
	"tianfu/job"
	"tianfu/unit"
)

// ReceiptVersion is the version of receipts as they are written. Those of version 1
// follow from the same rule and are read too: receipt_old.go.
const ReceiptVersion = 2

// MaxReceiptEntries bounds a receipt.
const MaxReceiptEntries = 100_000

// Receipt has all that a job's part of the ledger can be recomputed from, far
// from the centre: for every node and interval the meter or model, who held what
// (others without a name), the hour's factors, and what was carried.
type Receipt struct {
	Version int            `json:"version"`
	Job     string         `json:"job"`
	Name    string         `json:"name"`
	Tenant  job.Tenant     `json:"tenant"`
	Entries []ReceiptEntry `json:"entries"`
	Totals  Totals         `json:"totals"`
	// Hash is the SHA-256 of the document without it.
	Hash string `json:"sha256,omitempty"`

	id job.ID
}

// ReceiptEntry is one node and interval.
type ReceiptEntry struct {
	Site     string   `json:"site"`
	Node     string   `json:"node"`
	From     string   `json:"from"`
	To       string   `json:"to"`
	Interval Interval `json:"interval"`
	Parts    []Part   `json:"parts"` // the job's
}

// NewReceipt begins a receipt.
func NewReceipt(id job.ID, name string, tenant job.Tenant) *Receipt {
	return &Receipt{Version: ReceiptVersion, Job: id.String(), Name: name, Tenant: tenant, Entries: []ReceiptEntry{}, id: id}
}

// Add adds a node's interval and what it came to for the job; other holders lose
// their names and keep their places, for ties between equal remainders go by them.
func (r *Receipt) Add(site, node string, n Interval, divided *NodePart) error {
	if len(r.Entries) >= MaxReceiptEntries {
		return fault.New(fault.Exhausted, "receipt of "+r.Job, "more intervals than one receipt holds", "")
	}
	e := ReceiptEntry{Site: site, Node: node, From: n.From.String(), To: n.To.String(), Interval: n}
	e.Interval.Holders = append([]Holder(nil), n.Holders...)
	for i := range e.Interval.Holders {
		if h := &e.Interval.Holders[i]; h.Job != r.id {
			h.Job, h.Task, h.Attempt = 0, int32(i), 0
		}
	}
	for i := range divided.Parts {
		if p := &divided.Parts[i]; p.Line == TaskLine && p.Job == r.id {
			e.Parts = append(e.Parts, *p)
			r.Totals.Add(p)
		}
	}
	r.Entries = append(r.Entries, e)
	return nil
}

// Seal puts the hash on a receipt.
func (r *Receipt) Seal() error {
	sum, err := r.sum()
	r.Hash = sum
	return err
}

func (r *Receipt) sum() (string, error) {
	bare := *r
	bare.Hash = ""
	text, err := bare.text()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// text is the receipt as its version writes it.
func (r *Receipt) text() ([]byte, error) {
	if r.Version == oldReceipt {
		return r.oldText()
	}
	return json.Marshal(r)
}

// Verify recomputes every interval and every sum, to the last integer, and names
// the first difference. It needs nothing but the receipt.
func (r *Receipt) Verify() error {
	where := "receipt of " + r.Job
	if r.Version != ReceiptVersion && r.Version != oldReceipt {
		return fault.New(fault.Invalid, where, fmt.Sprintf("is of version %d", r.Version), "use the version of tianfu that made it")
	}
	if _, err := fmt.Sscanf(r.Job, "j-%d", (*uint64)(&r.id)); err != nil || r.id == 0 {
		return fault.Invalidf(where, "names no job")
	}
	var a Attributor
	var sum Totals
	for i := range r.Entries {
		e := &r.Entries[i]
		at := fmt.Sprintf("%s, entry %d: node %s from %s", where, i+1, e.Node, e.From)
		n := e.Interval
		if err := n.checkOutside(); err != nil {
			return fault.Wrap(err, at, "read")
		}
		if n.From.String() != e.From || n.To.String() != e.To {
			return fault.Invalidf(at, "its interval is from %v to %v", n.From, n.To)
		}
		got := a.Attribute(&n)
		k := 0
		for j := range got.Parts {
			p := &got.Parts[j]
			if p.Line != TaskLine || p.Job != r.id {
				continue
			}
			if k >= len(e.Parts) {
				return fault.Invalidf(at, "a part is missing: task %d attempt %d", p.Task, p.Attempt)
			}
			if what := difference(p, &e.Parts[k]); what != "" {
				return fault.Invalidf(at, "%s", what)
			}
			sum.Add(p)
			k++
		}
		if k != len(e.Parts) {
			return fault.Invalidf(at, "has %d parts, recomputed are %d", len(e.Parts), k)
		}
	}
	if sum != r.Totals {
		return fault.Invalidf(where, "the entries sum to %d mJ and %d nano-yuan, the totals say %d and %d", sum.Energy(), sum.Cost, r.Totals.Energy(), r.Totals.Cost)
	}
	if want, err := r.sum(); err != nil || want != r.Hash {
		return fault.New(fault.Invalid, where, "the hash is not the document's", "it was changed, or written by another program")
	}
	return nil
}

// checkOutside holds an interval that came from outside to the bounds under which
// its integers hold.
func (n *Interval) checkOutside() error {
	if err := n.Check(); err != nil {
		return err
	}
	m, p := &n.Machine, &n.Machine.Power
	const most = 1e9 // a megawatt in milliwatts
	for _, v := range []int64{p.Base, p.DeviceIdle, p.DeviceFull, p.PackageIdle, p.PackageMax} {
		if v < 0 || v > most/10 {
			return fault.Invalidf("interval", "a power of %d mW", v)
		}
	}
	if m.CPU < 0 || m.Memory < 0 || m.Devices < 0 || m.Devices > 16 || p.CoresPerPackage < 0 || len(n.Holders) > 10_000 {
		return fault.Invalidf("interval", "a machine that cannot be")
	}
	cuts := len(n.Stages)
	for i := range n.Stages {
		if s := &n.Stages[i]; s.Level < 0 || s.Level > 1000 || s.Draw < 0 || s.Draw > most || i > 0 && s.From < n.Stages[i-1].From {
			return fault.Invalidf("interval", "stage %d of the node cannot be", i)
		}
	}
	for i := range n.Holders {
		h := &n.Holders[i]
		cuts += len(h.Still)
		for k, p := range h.Still {
			if p.To < p.From || k > 0 && p.From < h.Still[k-1].To {
				return fault.Invalidf("interval", "holder %d stands still in spans that overlap", i)
			}
		}
		if h.CPU < 0 || h.Memory < 0 || h.Share < 0 || h.Share > 1000 || h.Used < Unknown || h.Used > 1<<50 {
			return fault.Invalidf("interval", "holder %d holds what cannot be held", i)
		}
	}
	if cuts > 10_000 {
		return fault.Invalidf("interval", "it changed %d times within", cuts)
	}
	for _, v := range []int64{n.Carry.Energy, n.Carry.Facility, n.Carry.CarbonLocation, n.Carry.CarbonMarket, n.Carry.Water, n.Carry.Cost} {
		if v < 0 || v >= unit.MillijoulesPerKWh {
			return fault.Invalidf("interval", "%d is carried", v)
		}
	}
	if r := n.Reading; r != nil && (r.Energy > 1e15 || len(r.Devices) > 16) {
		return fault.Invalidf("interval", "a reading of %d mJ", r.Energy)
	}
	for _, v := range []int64{n.Hour.CarbonLocation, n.Hour.CarbonMarket, n.Hour.Price, n.Hour.PUE, n.Hour.Water} {
		if v != -1<<63 && (v < -1e12 || v > 1e12) {
			return fault.Invalidf("interval", "a factor of %d", v)
		}
	}
	return nil
}

// difference names the first figure in which two parts differ.
func difference(want, got *Part) string {
	for _, f := range [...]struct {
		name      string
		want, got int64
	}{
		{"task", int64(want.Task), int64(got.Task)}, {"attempt", int64(want.Attempt), int64(got.Attempt)},
		{"CPU held, µs", want.CPUHeld, got.CPUHeld}, {"CPU used, µs", want.CPUMicros, got.CPUMicros}, {"memory, MiB-s", want.MemorySecs, got.MemorySecs},
		{"accelerator, ms", want.DeviceMillis, got.DeviceMillis}, {"idle, mJ", int64(want.Idle), int64(got.Idle)}, {"dynamic, mJ", int64(want.Dynamic), int64(got.Dynamic)},
		{"facility, mJ", int64(want.Facility), int64(got.Facility)}, {"location carbon, µg", int64(want.CarbonLocation), int64(got.CarbonLocation)},
		{"market carbon, µg", int64(want.CarbonMarket), int64(got.CarbonMarket)}, {"water, µL", int64(want.Water), int64(got.Water)},
		{"cost, nano-yuan", int64(want.Cost), int64(got.Cost)}, {"idle cost, nano-yuan", int64(want.IdleCost), int64(got.IdleCost)},
	} {
		if f.want != f.got {
			return fmt.Sprintf("%s: the receipt says %d, recomputed it is %d", f.name, f.got, f.want)
		}
	}
	return ""
}

package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tianfu/control"
	"tianfu/fault"
	"tianfu/job"
	"tianfu/meter"
	"tianfu/unit"
)

// LedgerOptions say what the world declares about money and calendars.
type LedgerOptions struct {
	Rates *meter.Rates
	Zones map[string]*time.Location // by site; absent = UTC
}

// PeriodInput is the time that is asked about. Exported, for where it is embedded the
// library takes no parameter from what is not.
type PeriodInput struct {
	From string `query:"from" maxLength:"40" doc:"Intervals that begin at or after this instant, RFC 3339; default: 30 days before to"`
	To   string `query:"to" maxLength:"40" doc:"and before this one; default: now"`
}

// Bounds of questions to the ledger: what one covers, and how many are answered
// at one time, so that who asks often does not take the machine from the loop.
const (
	maxPeriod  = 400 * 24 * time.Hour
	maxLedgers = 4
)

// turn waits for one of a few to be free; giveBack frees it.
func turn(ctx context.Context, of chan struct{}) (giveBack func(), err error) {
	select {
	case of <- struct{}{}:
		return func() { <-of }, nil
	case <-ctx.Done():
		return nil, fault.New(fault.Unavailable, "ledger", "others are being answered", "try again")
	}
}

// period reads the two instants.
func (in *PeriodInput) period(now unit.Instant) (from, to unit.Instant, err error) {
	if to = now; in.To != "" {
		if to, err = unit.ParseInstant(in.To); err != nil {
			return 0, 0, fault.Wrap(err, "to", "read the instant")
		}
	}
	if from = to.Add(-30 * 24 * time.Hour); in.From != "" {
		if from, err = unit.ParseInstant(in.From); err != nil {
			return 0, 0, fault.Wrap(err, "from", "read the instant")
		}
	}
	if to <= from || to-from > unit.Instant(maxPeriod) {
		return 0, 0, fault.New(fault.Invalid, "from, to", "a time that is empty or longer than 400 days", "ask for less at a time")
	}
	return from, to, nil
}

// Charges is what the ledger came to over a time, by day, holder and line.
type Charges struct {
	From    string         `json:"from"`
	To      string         `json:"to"`
	Charges []meter.Charge `json:"charges"`
	// KeptFrom is set where a part of the time is not in the charges any more.
	KeptFrom string `json:"kept_from,omitempty" format:"date-time" doc:"Records before this instant are forgotten, and what they charged is missing here"`
	// Rates is the rate card in force; nil when none is declared.
	Rates *meter.Rates `json:"rates,omitempty"`
	// Whole says that the charges are all of the centre's, and so add up to its
	// meters; a tenant's are its own.
	Whole bool `json:"whole"`
}

type chargesOutput struct{ Body Charges }

type usageInput struct {
	PeriodInput
	By string `query:"by" enum:"tenant,queue,job,service,site,day" default:"tenant" doc:"What the rows are"`
}

// UsageReport is the ledger over a time, summed.
type UsageReport struct {
	From     string      `json:"from"`
	To       string      `json:"to"`
	By       string      `json:"by"`
	Rows     []meter.Row `json:"rows"`
	KeptFrom string      `json:"kept_from,omitempty" format:"date-time" doc:"Records before this instant are forgotten, and what they charged is missing here"`
	Meter    *meter.Row  `json:"meter,omitempty" doc:"Everything, as the meters have it; only for who sees every tenant"`
}

type usageOutput struct{ Body UsageReport }

func (s *Server) routeLedger() {
	errs := []int{401, 403, 422, 429, 503}
	huma.Register(s.api, huma.Operation{OperationID: "read-usage", Method: http.MethodGet, Path: "/v1/usage", Errors: errs,
		Summary:     "What was used: energy, carbon, water and money by tenant, queue or job",
		Description: "Rows of all holders and of the lines that have none (idle, unexplained, loss) add up to the meter. A tenant sees its own rows and no other."}, s.readUsage)
	huma.Register(s.api, huma.Operation{OperationID: "read-charges", Method: http.MethodGet, Path: "/v1/charges", Errors: errs,
		Summary: "What the ledger came to, by day, holder and line; bills are made from it"}, s.readCharges)
	huma.Register(s.api, huma.Operation{OperationID: "get-receipt", Method: http.MethodGet, Path: "/v1/jobs/{id}/receipt", Errors: []int{401, 403, 404, 422, 429, 503},
		Summary: "What a job's part of the ledger can be recomputed from"}, s.readReceipt)
}

func (s *Server) readUsage(ctx context.Context, in *usageInput) (*usageOutput, error) {
	c, err := s.charges(ctx, &in.PeriodInput)
	if err != nil {
		return nil, problem(err)
	}
	rows, whole := meter.Sum(c.Charges, meter.Dimension(in.By))
	out := &usageOutput{Body: UsageReport{From: c.From, To: c.To, By: in.By, Rows: rows, KeptFrom: c.KeptFrom}}
	if c.Whole {
		out.Body.Meter = &whole
	}
	if rows == nil {
		out.Body.Rows = []meter.Row{}
	}
	return out, nil
}

func (s *Server) readCharges(ctx context.Context, in *PeriodInput) (*chargesOutput, error) {
	c, err := s.charges(ctx, in)
	if err != nil {
		return nil, problem(err)
	}
	return &chargesOutput{Body: *c}, nil
}

// charges adds up the pages of a time for a caller.
func (s *Server) charges(ctx context.Context, in *PeriodInput) (*Charges, error) {
	var now unit.Instant
	var models []string
	err := s.centre.View(ctx, func(st *control.State) {
		now = st.Now()
		for n := range int32(st.Capacity().Nodes()) {
			models = append(models, string(st.Capacity().Node(n).Model))
		}
	})
	if err != nil {
		return nil, err
	}
	from, to, err := in.period(max(now, unit.Instant(time.Now().UnixNano())))
	if err != nil {
		return nil, err
	}
	var money LedgerOptions
	if s.o.Ledger != nil {
		money = s.o.Ledger()
	}
	book := meter.Book{Zone: money.zone, Model: func(n int32) string {
		if int(n) < len(models) {
			return models[n]
		}
		return ""
	}}
	giveBack, err := turn(ctx, s.ledgers)
	if err != nil {
		return nil, err
	}
	err = s.centre.Pages(ctx, from, to, book.Add)
	giveBack()
	if err != nil {
		return nil, err
	}
	out := &Charges{From: from.String(), To: to.String(), Rates: money.Rates, Whole: identity(ctx).seesAll()}
	kept, err := s.centre.KeptFrom(ctx)
	if err != nil {
		return nil, err
	}
	if kept > from {
		out.KeptFrom = kept.String()
	}
	err = s.centre.View(ctx, func(st *control.State) {
		out.Charges = book.Charges(func(id job.ID) meter.Facts {
			if j, ok := st.Summary(id); ok {
				return meter.Facts{Tenant: j.Spec.Tenant, Queue: j.Spec.Queue, Name: j.Spec.Name}
			}
			return meter.Facts{}
		}, money.Rates)
	})
	if err != nil {
		return nil, err
	}
	if !out.Whole {
		who := identity(ctx)
		out.Charges = slices.DeleteFunc(out.Charges, func(c meter.Charge) bool { return c.Line != meter.TaskLine.String() || !who.maySee(c.Tenant) })
	}
	return out, nil
}

func (o *LedgerOptions) zone(site string) *time.Location {
	if z := o.Zones[site]; z != nil {
		return z
	}
	return time.UTC
}

// Charges returns what the ledger came to; empty texts are the defaults.
func (c *Client) Charges(ctx context.Context, from, to string) (*Charges, error) {
	out := &Charges{}
	return out, c.call(ctx, request{method: http.MethodGet, path: "/v1/charges?" + period(from, to).Encode()}, out)
}

// Usage returns the ledger over a time, summed by a dimension.
func (c *Client) Usage(ctx context.Context, by meter.Dimension, from, to string) (*UsageReport, error) {
	v := period(from, to)
	v.Set("by", string(by))
	out := &UsageReport{}
	return out, c.call(ctx, request{method: http.MethodGet, path: "/v1/usage?" + v.Encode()}, out)
}

func period(from, to string) url.Values {
	v := url.Values{}
	if from != "" {
		v.Set("from", from)
	}
	if to != "" {
		v.Set("to", to)
	}
	return v
}

type receiptInput struct {
	ID string `path:"id" maxLength:"24" doc:"Job, such as j-42"`
}

type receiptOutput struct{ Body *meter.Receipt }

// readReceipt folds the whole history, one caller at a time.
func (s *Server) readReceipt(ctx context.Context, in *receiptInput) (*receiptOutput, error) {
	id, err := ParseID(in.ID)
	if err != nil {
		return nil, problem(err)
	}
	missing := fault.New(fault.NotFound, id.String(), "no such job", "")
	found := false
	err = s.centre.View(ctx, func(st *control.State) {
		j, ok := st.Summary(id)
		if found = ok && identity(ctx).maySee(j.Spec.Tenant); ok && !found {
			exchangeOf(ctx).hidden = true
		}
	})
	if err == nil && !found {
		err = missing
	}
	if err != nil {
		return nil, problem(err)
	}
	switch kept, err := s.centre.KeptFrom(ctx); {
	case err != nil:
		return nil, problem(err)
	case kept != 0:
		return nil, problem(fault.New(fault.NotFound, "receipt of "+id.String(), "records before "+kept.String()+" are forgotten, and a receipt is made from all", "ask for receipts before records are forgotten, or keep them (tianfu serve --keep-records 0)"))
	}
	giveBack, err := turn(ctx, s.receipts)
	if err != nil {
		return nil, problem(err)
	}
	defer giveBack()
	m := control.ReceiptMaker{ID: id}
	if err := s.centre.History(ctx, m.Add); err != nil {
		return nil, problem(err)
	}
	r, err := m.Receipt()
	return &receiptOutput{r}, problem(err)
}

// Receipt returns what a job's part of the ledger can be recomputed from.
func (c *Client) Receipt(ctx context.Context, id string) (*meter.Receipt, error) {
	var text json.RawMessage
	if err := c.call(ctx, request{method: http.MethodGet, path: "/v1/jobs/" + url.PathEscape(id) + "/receipt"}, &text); err != nil {
		return nil, err
	}
	return meter.ReadReceipt(text)
}

package meter

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"reflect"
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go"

	"tianfu/fault"
	"tianfu/unit"
)

// FOCUSOptions say what an export needs beyond the charges.
type FOCUSOptions struct {
	Month           string
	Issuer, Account string
	Rates           *Rates
}

// FOCUSRow is a row of the FinOps Open Cost and Usage Specification, version
// 1.2: the columns that a provider without taxes, reservations and negotiated
// discounts has (commitments are never bought, so those are null), and four of
// our own. A nil column is null. The names are the standard's.
type FOCUSRow struct {
	BilledCost          float64   `parquet:"BilledCost"`
	BillingAccountID    string    `parquet:"BillingAccountId,dict"`
	BillingAccountName  string    `parquet:"BillingAccountName,dict"`
	BillingAccountType  string    `parquet:"BillingAccountType,dict"`
	BillingCurrency     string    `parquet:"BillingCurrency,dict"`
	BillingPeriodEnd    time.Time `parquet:"BillingPeriodEnd,timestamp(microsecond)"`
	BillingPeriodStart  time.Time `parquet:"BillingPeriodStart,timestamp(microsecond)"`
	ChargeCategory      string    `parquet:"ChargeCategory,dict"`
	ChargeClass         *string   `parquet:"ChargeClass,optional"`
	ChargeDescription   string    `parquet:"ChargeDescription,dict"`
	ChargeFrequency     string    `parquet:"ChargeFrequency,dict"`
	ChargePeriodEnd     time.Time `parquet:"ChargePeriodEnd,timestamp(microsecond)"`
	ChargePeriodStart   time.Time `parquet:"ChargePeriodStart,timestamp(microsecond)"`
	DiscountCategory    *string   `parquet:"CommitmentDiscountCategory,optional"`
	DiscountID          *string   `parquet:"CommitmentDiscountId,optional"`
	DiscountName        *string   `parquet:"CommitmentDiscountName,optional"`
	DiscountQuantity    *float64  `parquet:"CommitmentDiscountQuantity,optional"`
	DiscountStatus      *string   `parquet:"CommitmentDiscountStatus,optional"`
	DiscountType        *string   `parquet:"CommitmentDiscountType,optional"`
	DiscountUnit        *string   `parquet:"CommitmentDiscountUnit,optional"`
	ConsumedQuantity    float64   `parquet:"ConsumedQuantity"`
	ConsumedUnit        string    `parquet:"ConsumedUnit,dict"`
	ContractedCost      float64   `parquet:"ContractedCost"`
	ContractedUnitPrice float64   `parquet:"ContractedUnitPrice"`
	EffectiveCost       float64   `parquet:"EffectiveCost"`
	InvoiceID           *string   `parquet:"InvoiceId,optional"`
	InvoiceIssuerName   string    `parquet:"InvoiceIssuerName,dict"`
	ListCost            float64   `parquet:"ListCost"`
	ListUnitPrice       float64   `parquet:"ListUnitPrice"`
	PricingCategory     string    `parquet:"PricingCategory,dict"`
	PricingCurrency     string    `parquet:"PricingCurrency,dict"`
	PricingQuantity     float64   `parquet:"PricingQuantity"`
	PricingUnit         string    `parquet:"PricingUnit,dict"`
	ProviderName        string    `parquet:"ProviderName,dict"`
	PublisherName       string    `parquet:"PublisherName,dict"`
	RegionID            *string   `parquet:"RegionId,optional,dict"`
	RegionName          *string   `parquet:"RegionName,optional,dict"`
	ResourceID          *string   `parquet:"ResourceId,optional,dict"`
	ResourceName        *string   `parquet:"ResourceName,optional,dict"`
	ResourceType        *string   `parquet:"ResourceType,optional,dict"`
	ServiceCategory     string    `parquet:"ServiceCategory,dict"`
	ServiceName         string    `parquet:"ServiceName,dict"`
	ServiceSubcategory  string    `parquet:"ServiceSubcategory,dict"`
	SkuID               string    `parquet:"SkuId,dict"`
	SkuMeter            string    `parquet:"SkuMeter,dict"`
	SkuPriceDetails     *string   `parquet:"SkuPriceDetails,optional,json"`
	SkuPriceID          string    `parquet:"SkuPriceId,dict"`
	SubAccountID        *string   `parquet:"SubAccountId,optional,dict"`
	SubAccountName      *string   `parquet:"SubAccountName,optional,dict"`
	SubAccountType      *string   `parquet:"SubAccountType,optional,dict"`
	Tags                string    `parquet:"Tags,json"`
	KWh                 float64   `parquet:"x_kwh"`
	KgCO2e              float64   `parquet:"x_kgco2e"`
	Litres              float64   `parquet:"x_litres"`
	IdleCost            float64   `parquet:"x_idle_cost"`
}

// sku is what a row charges for.
type sku struct {
	id, name, unit string
	quantity       float64
	price          float64 // yuan for one unit; 0 = cost over quantity
	cost           unit.NanoYuan
}

// FOCUS makes the rows of charges: one for the energy of each, and one for each
// kind of what was held that has a price.
func FOCUS(charges []Charge, o FOCUSOptions) ([]FOCUSRow, error) {
	var rows []FOCUSRow
	for i := range charges {
		c := &charges[i]
		if c.To <= c.From || c.MonthTo <= c.MonthFrom {
			return nil, fault.Invalidf("charge of "+c.Day, "it has no period")
		}
		tags, err := json.Marshal(c.tags())
		if err != nil {
			return nil, err
		}
		for k, s := range c.skus(o.Rates) {
			r := c.focus(&s, o)
			r.Tags = string(tags)
			if k == 0 { // what energy caused stands on its row alone, so that it sums
				r.KWh, r.KgCO2e, r.Litres = float64(c.Energy().KWh()), c.CarbonLocation.Kilograms(), c.Water.Litres()
				r.IdleCost = float64(c.IdleCost.Yuan())
			}
			rows = append(rows, r)
		}
	}
	return rows, nil
}

// tags are the standard's free part.
func (c *Charge) tags() map[string]string {
	t := map[string]string{"line": c.Line}
	for k, v := range map[string]string{"queue": string(c.Queue), "accelerator": c.Model, "missing": c.Missing} {
		if v != "" {
			t[k] = v
		}
	}
	return t
}

// skus lists what a charge is for; energy first.
func (c *Charge) skus(rates *Rates) []sku {
	out := []sku{{id: "electricity", name: "Electricity", unit: "kWh", quantity: float64(c.Energy().KWh()), cost: c.Cost}}
	if rates == nil || c.Resources == 0 {
		return out
	}
	device, ok := rates.Devices[c.Model]
	if !ok {
		device = rates.Devices[""]
	}
	for _, v := range []struct {
		id, name, unit string
		held, of       int64
		price          unit.NanoYuan
	}{
		{"cpu", "CPU", "CPU-Hours", c.CPUHeld, 3_600_000_000, rates.CPUHour},
		{"memory", "Memory", "GiB-Hours", c.MemorySecs, 1024 * 3600, rates.MemoryHour},
		{"accelerator-" + c.Model, "Accelerator " + c.Model, "Accelerator-Hours", c.DeviceMillis, 1000 * 3600, device},
	} {
		cost, _ := mulDiv(v.held, int64(v.price), v.of)
		if cost > 0 {
			out = append(out, sku{id: v.id, name: v.name, unit: v.unit, quantity: float64(v.held) / float64(v.of), price: float64(v.price.Yuan()), cost: unit.NanoYuan(cost)})
		}
	}
	return out
}

func (c *Charge) focus(s *sku, o FOCUSOptions) FOCUSRow {
	cost := float64(s.cost.Yuan())
	price := s.price
	if price == 0 && s.quantity != 0 { // of a loss below zero both are
		price = cost / s.quantity
	}
	at := func(t unit.Instant) time.Time { return time.Unix(0, int64(t)).UTC() }
	text := func(v string) *string {
		if v == "" {
			return nil
		}
		return &v
	}
	r := FOCUSRow{
		BilledCost: cost, EffectiveCost: cost, ListCost: cost, ContractedCost: cost, ListUnitPrice: price, ContractedUnitPrice: price,
		BillingAccountID: o.Account, BillingAccountName: o.Account, BillingAccountType: "Centre", BillingCurrency: "CNY", PricingCurrency: "CNY",
		BillingPeriodStart: at(c.MonthFrom), BillingPeriodEnd: at(c.MonthTo), ChargePeriodStart: at(c.From), ChargePeriodEnd: at(min(c.To, c.MonthTo)),
		ChargeCategory: "Usage", ChargeFrequency: "Usage-Based", ChargeDescription: s.name + ", " + c.Line,
		ConsumedQuantity: s.quantity, ConsumedUnit: s.unit, PricingQuantity: s.quantity, PricingUnit: s.unit, PricingCategory: "Standard",
		InvoiceIssuerName: o.Issuer, ProviderName: o.Issuer, PublisherName: o.Issuer,
		RegionID: text(c.Site), RegionName: text(c.Site),
		ServiceCategory: "Compute", ServiceName: "Computing", ServiceSubcategory: "Other (Compute)",
		SkuID: s.id, SkuMeter: s.name, SkuPriceID: s.id + "-" + o.Month,
	}
	if s.id == "electricity" {
		r.PricingCategory = "Dynamic" // it follows the tariff by the hour
	}
	if c.Tenant != "" {
		r.SubAccountID, r.SubAccountName, r.SubAccountType = text(string(c.Tenant)), text(string(c.Tenant)), text("Tenant")
	}
	if c.Job != 0 {
		r.ResourceID, r.ResourceName, r.ResourceType = text(c.Job.String()), text(c.Name), text("Job")
	}
	return r
}

// WriteFOCUSParquet writes rows as Parquet.
func WriteFOCUSParquet(w io.Writer, rows []FOCUSRow) error {
	p := parquet.NewGenericWriter[FOCUSRow](w, parquet.Compression(&parquet.Snappy))
	if _, err := p.Write(rows); err != nil {
		return err
	}
	return p.Close()
}

// FOCUSColumns lists the columns in the order of the files.
func FOCUSColumns() []string {
	t := reflect.TypeFor[FOCUSRow]()
	out := make([]string, t.NumField())
	for i := range out {
		tag := t.Field(i).Tag.Get("parquet")
		for k := range tag {
			if tag[k] == ',' {
				tag = tag[:k]
				break
			}
		}
		out[i] = tag
	}
	return out
}

// WriteFOCUSCSV writes rows as CSV. A null is an empty cell.
func WriteFOCUSCSV(w io.Writer, rows []FOCUSRow) error {
	c := csv.NewWriter(w)
	if err := c.Write(FOCUSColumns()); err != nil {
		return err
	}
	for i := range rows {
		v := reflect.ValueOf(&rows[i]).Elem()
		cells := make([]string, v.NumField())
		for k := range cells {
			cells[k] = focusCell(v.Field(k))
		}
		if err := c.Write(cells); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

func focusCell(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64)
	case time.Time:
		return x.Format("2006-01-02T15:04:05Z")
	case *float64:
		if x == nil {
			return ""
		}
		return strconv.FormatFloat(*x, 'f', -1, 64)
	case *string:
		if x == nil {
			return ""
		}
		return *x
	}
	return v.String()
}

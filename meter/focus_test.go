package meter_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"tianfu/job"
	"tianfu/meter"
	"tianfu/unit"
)

// column is what FOCUS 1.2 says of a column.
type column struct {
	kind     string // text, number, money, time, json
	required bool   // it must be in the file
	null     bool   // it may be null
	values   []string
}

// focusRules is the standard's list of columns, version 1.2, as far as it binds a
// provider with one currency, without reservations and with prices.
var focusRules = map[string]column{
	"BilledCost":         {kind: "money", required: true},
	"BillingAccountId":   {kind: "text", required: true},
	"BillingAccountName": {kind: "text", required: true, null: true},
	"BillingAccountType": {kind: "text", null: true},
	"BillingCurrency":    {kind: "currency", required: true},
	"BillingPeriodEnd":   {kind: "time", required: true},
	"BillingPeriodStart": {kind: "time", required: true},
	"ChargeCategory":     {kind: "text", required: true, values: []string{"Usage", "Purchase", "Tax", "Credit", "Adjustment"}},
	"ChargeClass":        {kind: "text", required: true, null: true, values: []string{"Correction"}},
	"ChargeDescription":  {kind: "text", required: true, null: true},
	"ChargeFrequency":    {kind: "text", values: []string{"One-Time", "Recurring", "Usage-Based"}},
	"ChargePeriodEnd":    {kind: "time", required: true},
	"ChargePeriodStart":  {kind: "time", required: true},

	"CommitmentDiscountCategory": {kind: "text", null: true, values: []string{"Spend", "Usage"}},
	"CommitmentDiscountId":       {kind: "text", null: true},
	"CommitmentDiscountName":     {kind: "text", null: true},
	"CommitmentDiscountQuantity": {kind: "number", null: true},
	"CommitmentDiscountStatus":   {kind: "text", null: true, values: []string{"Used", "Unused"}},
	"CommitmentDiscountType":     {kind: "text", null: true},
	"CommitmentDiscountUnit":     {kind: "text", null: true},

	"ConsumedQuantity":    {kind: "number", null: true},
	"ConsumedUnit":        {kind: "text", null: true},
	"ContractedCost":      {kind: "money", required: true},
	"ContractedUnitPrice": {kind: "money", null: true},
	"EffectiveCost":       {kind: "money", required: true},
	"InvoiceId":           {kind: "text", null: true},
	"InvoiceIssuerName":   {kind: "text", required: true},
	"ListCost":            {kind: "money", required: true},
	"ListUnitPrice":       {kind: "money", null: true},
	"PricingCategory":     {kind: "text", null: true, values: []string{"Standard", "Dynamic", "Committed", "Other"}},
	"PricingCurrency":     {kind: "currency", null: true},
	"PricingQuantity":     {kind: "number", required: true, null: true},
	"PricingUnit":         {kind: "text", required: true, null: true},
	"ProviderName":        {kind: "text", required: true},
	"PublisherName":       {kind: "text", required: true},
	"RegionId":            {kind: "text", null: true},
	"RegionName":          {kind: "text", null: true},
	"ResourceId":          {kind: "text", null: true},
	"ResourceName":        {kind: "text", null: true},
	"ResourceType":        {kind: "text", null: true},
	"ServiceCategory": {kind: "text", required: true, values: []string{"AI and Machine Learning", "Analytics", "Business Applications", "Compute", "Databases", "Developer Tools",
		"Multicloud", "Identity", "Integration", "Internet of Things", "Management and Governance", "Media", "Migration", "Mobile", "Networking", "Security", "Storage", "Web", "Other"}},
	"ServiceName":        {kind: "text", required: true},
	"ServiceSubcategory": {kind: "text", values: []string{"Containers", "End User Computing", "Quantum Compute", "Serverless Compute", "Virtual Machines", "Other (Compute)"}},
	"SkuId":              {kind: "text", null: true},
	"SkuMeter":           {kind: "text", null: true},
	"SkuPriceDetails":    {kind: "json", null: true},
	"SkuPriceId":         {kind: "text", null: true},
	"SubAccountId":       {kind: "text", null: true},
	"SubAccountName":     {kind: "text", null: true},
	"SubAccountType":     {kind: "text", null: true},
	"Tags":               {kind: "json", null: true},
}

var currency = regexp.MustCompile(`^[A-Z]{3}$`)

// check holds a cell to its column.
func (c *column) check(v string) error {
	if v == "" {
		if !c.null {
			return fmt.Errorf("it is null")
		}
		return nil
	}
	if len(c.values) > 0 && !slices.Contains(c.values, v) {
		return fmt.Errorf("%q is not one of %v", v, c.values)
	}
	switch c.kind {
	case "money", "number":
		if f, err := strconv.ParseFloat(v, 64); err != nil || math.IsNaN(f) || math.IsInf(f, 0) || strings.ContainsAny(v, "eE+") {
			return fmt.Errorf("%q is not a plain decimal", v)
		}
	case "time":
		if _, err := time.Parse("2006-01-02T15:04:05Z", v); err != nil {
			return fmt.Errorf("%q is not a time in UTC", v)
		}
	case "currency":
		if !currency.MatchString(v) {
			return fmt.Errorf("%q is not a currency", v)
		}
	case "json":
		var object map[string]any
		if err := json.Unmarshal([]byte(v), &object); err != nil {
			return fmt.Errorf("%q is not a JSON object", v)
		}
	}
	return nil
}

// focusInvariants are what the standard says of columns together.
func focusInvariants(cell func(string) string) error {
	num := func(name string) float64 { f, _ := strconv.ParseFloat(cell(name), 64); return f }
	pair := func(a, b string) error {
		if (cell(a) == "") != (cell(b) == "") {
			return fmt.Errorf("one of %s and %s is null", a, b)
		}
		return nil
	}
	if cell("ChargePeriodStart") >= cell("ChargePeriodEnd") || cell("BillingPeriodStart") >= cell("BillingPeriodEnd") {
		return fmt.Errorf("a period ends before it begins")
	}
	if cell("ChargePeriodStart") < cell("BillingPeriodStart") || cell("ChargePeriodEnd") > cell("BillingPeriodEnd") {
		return fmt.Errorf("the charge lies outside its billing period")
	}
	for _, p := range [][2]string{{"ConsumedQuantity", "ConsumedUnit"}, {"PricingQuantity", "PricingUnit"}, {"RegionId", "RegionName"}, {"SubAccountId", "SubAccountType"}, {"ResourceId", "ResourceType"}} {
		if err := pair(p[0], p[1]); err != nil {
			return err
		}
	}
	if cell("ChargeCategory") == "Usage" && cell("ChargeClass") == "" {
		for _, name := range []string{"PricingQuantity", "PricingUnit", "ListUnitPrice", "PricingCategory", "SkuId", "SkuPriceId", "ConsumedQuantity"} {
			if cell(name) == "" {
				return fmt.Errorf("%s of a usage charge is null", name)
			}
		}
		if cell("ChargeFrequency") == "One-Time" {
			return fmt.Errorf("usage is not charged one time")
		}
	}
	for _, kind := range []string{"List", "Contracted"} {
		if want := num(kind+"UnitPrice") * num("PricingQuantity"); math.Abs(num(kind+"Cost")-want) > 1e-6+1e-6*math.Abs(want) {
			return fmt.Errorf("%sCost %g is not unit price times quantity %g", kind, num(kind+"Cost"), want)
		}
	}
	if num("EffectiveCost") != num("BilledCost") || num("ListCost") < num("ContractedCost") {
		return fmt.Errorf("costs contradict each other")
	}
	return nil
}

// july makes the charges of a month from attributed intervals.
func july(t testing.TB) ([]meter.Charge, *meter.Rates) {
	t.Helper()
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Skip("no time zone database here")
	}
	begin := unit.Instant(time.Date(2026, 7, 1, 0, 0, 0, 0, zone).UnixNano())
	n := meter.Interval{Machine: meter.Machine{CPU: 8000, Memory: 1 << 16, Devices: 2, Power: meter.Power{Base: 100_000, DeviceIdle: 25_000, DeviceFull: 250_000, PackageIdle: 20_000, PackageMax: 120_000, Linear: true}},
		Hour: meter.Factors{CarbonLocation: 156_400, CarbonMarket: 90_000, Price: 573_000_000, PUE: 1_149_000, Water: 2_084_000}}
	book := meter.Book{Zone: func(string) *time.Location { return zone }, Model: func(int32) string { return "A100" }}
	var a meter.Attributor
	var loss meter.Carry
	for h := range 31 * 24 {
		n.From, n.To = begin.Add(time.Duration(h)*time.Hour), begin.Add(time.Duration(h+1)*time.Hour)
		n.Holders = nil
		for i := range h % 4 {
			n.Holders = append(n.Holders, meter.Holder{Job: job.ID(1 + h/24 + i), Attempt: 1, From: n.From, To: n.To, CPU: 1500, Memory: 4096, Devices: uint16(i & 1), Share: 500, Used: meter.Unknown})
		}
		part := a.Attribute(&n)
		n.Carry = part.Carry
		whole := part.IT() // the site's meter shows 10 W less than the nodes and their overhead: a loss below zero
		for k := range part.Parts {
			whole += part.Parts[k].Facility
		}
		under := meter.Loss(whole-36_000_000, whole, meter.Measured, &n.Hour, loss)
		loss = under.Carry
		if err := book.Add(&meter.Page{Site: "jianzhou", From: n.From, To: n.To, Hour: n.Hour, Nodes: []meter.NodePart{part, under}}); err != nil {
			t.Fatal(err)
		}
	}
	rates := &meter.Rates{CPUHour: 50_000_000, MemoryHour: 10_000_000, Devices: map[string]unit.NanoYuan{"A100": 6_000_000_000}}
	charges := book.Charges(func(id job.ID) meter.Facts {
		return meter.Facts{Tenant: job.Tenant([]string{"nlp", "cv"}[id%2]), Queue: "q", Name: "job, with a comma"}
	}, rates)
	return charges, rates
}

func focusCSV(t testing.TB) []byte {
	charges, rates := july(t)
	rows, err := meter.FOCUS(charges, meter.FOCUSOptions{Month: "2026-07", Issuer: "Centre", Account: "centre", Rates: rates})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := meter.WriteFOCUSCSV(&b, rows); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestFOCUSKeepsTheStandard holds an export to the table of rules above, column
// by column and row by row, and its sums to the ledger's.
func TestFOCUSKeepsTheStandard(t *testing.T) {
	all, err := csv.NewReader(bytes.NewReader(focusCSV(t))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]int{}
	for i, name := range all[0] {
		if _, known := focusRules[name]; !known && !strings.HasPrefix(name, "x_") {
			t.Errorf("column %s is not in the standard and does not begin with x_", name)
		}
		at[name] = i
	}
	for name, c := range focusRules {
		if _, there := at[name]; c.required && !there {
			t.Errorf("column %s is missing", name)
		}
	}
	if len(all) < 100 {
		t.Fatalf("only %d rows", len(all))
	}
	var kwh, cost float64
	for n, row := range all[1:] {
		for name, c := range focusRules {
			if i, there := at[name]; there {
				if err := c.check(row[i]); err != nil {
					t.Fatalf("row %d: %s: %v", n+1, name, err)
				}
			}
		}
		cell := func(name string) string { return row[at[name]] }
		if err := focusInvariants(cell); err != nil {
			t.Fatalf("row %d: %v: %v", n+1, err, row)
		}
		k, _ := strconv.ParseFloat(cell("x_kwh"), 64)
		b, _ := strconv.ParseFloat(cell("BilledCost"), 64)
		kwh, cost = kwh+k, cost+b
	}
	charges, _ := july(t)
	var sum meter.Totals
	due := 0.0
	for i := range charges {
		sum.Sum(&charges[i].Totals)
		due += float64(charges[i].Whole().Yuan())
	}
	if math.Abs(kwh-float64(sum.Energy().KWh())) > 1e-6 || math.Abs(cost-due) > 1e-5 {
		t.Fatalf("the export has %.6f kWh and %.6f yuan, the ledger %.6f and %.6f", kwh, cost, sum.Energy().KWh(), due)
	}
}

// TestFOCUSRulesCatchFaults breaks one cell at a time.
func TestFOCUSRulesCatchFaults(t *testing.T) {
	all, err := csv.NewReader(bytes.NewReader(focusCSV(t))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range [][2]string{{"BilledCost", ""}, {"BillingCurrency", "yuan"}, {"ChargeCategory", "usage"}, {"ChargePeriodStart", "2026-07-01"}, {"ServiceCategory", "Energy"},
		{"ListUnitPrice", "17"}, {"ConsumedUnit", ""}, {"SkuPriceId", ""}, {"Tags", "[1]"}, {"BillingPeriodEnd", "2020-01-01T00:00:00Z"}, {"PricingQuantity", "1e3"}} {
		row := slices.Clone(all[1])
		i := slices.Index(all[0], x[0])
		row[i] = x[1]
		c := focusRules[x[0]]
		if c.check(row[i]) == nil && focusInvariants(func(name string) string { return row[slices.Index(all[0], name)] }) == nil {
			t.Errorf("%s = %q is not caught", x[0], x[1])
		}
	}
}

func TestFOCUSParquetIsTheCSV(t *testing.T) {
	charges, rates := july(t)
	rows, err := meter.FOCUS(charges, meter.FOCUSOptions{Month: "2026-07", Issuer: "Centre", Account: "centre", Rates: rates})
	if err != nil {
		t.Fatal(err)
	}
	var b, want, got bytes.Buffer
	if err := meter.WriteFOCUSParquet(&b, rows); err != nil {
		t.Fatal(err)
	}
	back, err := parquet.Read[meter.FOCUSRow](bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	for i := range back { // an instant is read back in the local zone
		for _, at := range []*time.Time{&back[i].BillingPeriodStart, &back[i].BillingPeriodEnd, &back[i].ChargePeriodStart, &back[i].ChargePeriodEnd} {
			*at = at.UTC()
		}
	}
	meter.WriteFOCUSCSV(&want, rows)
	meter.WriteFOCUSCSV(&got, back)
	if !bytes.Equal(want.Bytes(), got.Bytes()) {
		t.Fatal("what Parquet holds is not what CSV does")
	}
}

// validatorFaults are findings of focus-validator 1.0.0 that lie in it: it knows
// the rules of FOCUS 0.5 and 1.0 only, asks under 1.0 for columns that no version
// of the standard has, and lacks its own list of currencies.
var validatorFaults = []string{"InvoiceIssuer_Required", "Provider_Required", "Publisher_Required", "ResourceID_Required", "SkuPriceId_Nullable", "BillingCurrency_IsCurrencyCode"}

// TestPublicValidator runs focus-validator where it is installed: on the path, or
// as FOCUS_VALIDATOR names it.
func TestPublicValidator(t *testing.T) {
	name := os.Getenv("FOCUS_VALIDATOR")
	if name == "" {
		name = "focus-validator"
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip("focus-validator is not installed: pip install focus-validator 'multimethod<2'")
	}
	file := filepath.Join(t.TempDir(), "focus.csv")
	if err := os.WriteFile(file, focusCSV(t), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path, "--data-file", file, "--validate-version", "1.0").CombinedOutput()
	if strings.Contains(string(out), "Traceback") {
		t.Skipf("focus-validator does not run here: %.300s", out)
	}
	found := regexp.MustCompile(`(?m)^(\w+) failed:`).FindAllStringSubmatch(string(out), -1)
	if err != nil && len(found) == 0 && !strings.Contains(string(out), "Validation") {
		t.Fatalf("focus-validator: %v\n%s", err, out)
	}
	for _, m := range found {
		if !slices.Contains(validatorFaults, m[1]) {
			t.Errorf("focus-validator: %s failed", m[1])
		}
	}
	if t.Failed() {
		t.Logf("%s", out)
	}
}

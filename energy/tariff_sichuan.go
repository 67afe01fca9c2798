package energy

import "time"

// Segments of the Sichuan tariff.
const (
	Valley   Segment = "valley"
	Flat     Segment = "flat"
	Peak     Segment = "peak"
	Critical Segment = "critical"
)

// SichuanTariff returns the time-of-use tariff of Sichuan for industry and
// commerce (Chuanfagai Jiage [2025] 185), as an example: check bands and
// prices against the notice before billing anyone. The critical band applies
// to large industry only. Prices are those of August 2026 for 1-10 kV two-part
// customers; the seasonal swing of the province sits in the agency price, so
// other months need components of their own.
func SichuanTariff(largeIndustry bool) *Tariff {
	hours := func(from, to int, s Segment) Band { return Band{from * 60, to * 60, s} }
	t := &Tariff{
		Name:   "sichuan-2025",
		Source: "Chuanfagai Jiage [2025] 185; components of State Grid Sichuan's August 2026 table, 1-10 kV two-part",
		// China has one zone without summer time, so no zone data is needed.
		Zone: time.FixedZone("Asia/Shanghai", 8*3600),
		Seasons: []Season{
			{"summer", []int{7, 8, 9}, []Band{
				hours(0, 1, Flat), hours(1, 7, Valley), hours(7, 11, Flat), hours(11, 18, Peak),
				hours(18, 20, Flat), hours(20, 23, Peak), hours(23, 24, Flat)}},
			{"winter", []int{12, 1, 2}, []Band{
				hours(0, 8, Valley), hours(8, 10, Flat), hours(10, 12, Peak), hours(12, 16, Flat),
				hours(16, 22, Peak), hours(22, 24, Flat)}},
			{"spring and autumn", []int{3, 4, 5, 6, 10, 11}, []Band{
				hours(0, 8, Valley), hours(8, 10, Flat), hours(10, 12, Peak), hours(12, 17, Flat),
				hours(17, 22, Peak), hours(22, 24, Valley)}},
		},
		Multipliers: map[Segment]float64{Valley: 0.4, Flat: 1, Peak: 1.6},
		Prices:      []MonthPrices{{Year: 2026, Month: 8, Agency: 0.260434, Loss: 0.015566, Grid: 0.1391, System: 0.044275, Funds: 0.04716875}},
		DemandYuan:  35, CapacityYuan: 22,
	}
	if largeIndustry {
		t.Multipliers[Critical] = 1.92
		t.Overrides = []Override{
			{hours(13, 14, Critical), []int{7, 8}, true},
			{hours(21, 23, Critical), []int{7, 8}, true},
		}
	}
	return t
}

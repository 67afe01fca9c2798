package sim

import (
	"maps"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"tianfu/energy"
	"tianfu/fault"
	"tianfu/unit"
)

// Aids are what clauses of a change name beyond the period itself.
type Aids struct {
	Files map[string][]byte    // text of files, by the word that names one in the change
	Sites map[string]SitePlant // what stands at a site; "" is for the sites that are not named
}

// SitePlant is what turns weather into the cost of an hour.
type SitePlant struct {
	Plant  *energy.Plant  // nil = the built-in default
	Tariff *energy.Tariff // whose prices may follow hot days; nil = none
}

// FilesOf lists the files that changes name, as the change spells them.
func FilesOf(changes []Change) (out []string) {
	for i := range changes {
		c := &changes[i]
		if name := c.file(); name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// FileName takes the column off a word that names a series: FILE:COLUMN.
func FileName(word string) (name, column string) {
	if i := strings.LastIndexByte(word, ':'); i > 0 && path.Ext(word[i:]) == "" {
		return word[:i], word[i+1:]
	}
	return word, ""
}

// file is the word of a clause that names a file.
func (c *Change) file() string {
	words, _ := c.atSite()
	if len(words) != 1 {
		return ""
	}
	switch c.verb.name {
	case "weather":
		return words[0]
	case "carbon", "price":
		if _, err := strconv.ParseFloat(strings.TrimPrefix(words[0], "x"), 64); err != nil {
			return words[0]
		}
	}
	return ""
}

// atSite takes "site=NAME" off the end of a clause; "" is every site.
func (c *Change) atSite() (words []string, site string) {
	if n := len(c.words); n > 0 {
		if name, ok := strings.CutPrefix(c.words[n-1], "site="); ok && name != "" {
			return c.words[:n-1], name
		}
	}
	return c.words, ""
}

// text is what a file of the change says.
func (c *Change) text(word string) ([]byte, error) {
	if c.aids != nil {
		if text, there := c.aids.Files[word]; there {
			return text, nil
		}
	}
	return nil, fault.New(fault.Invalid, "change "+strconv.Quote(c.Text), "names the file "+strconv.Quote(word)+", whose text is not there", "give its text with the question; tianfu whatif does that by itself")
}

// eachHour changes every hour of a site, or of all, on a copy.
func (c *Change) eachHour(p *TimedParams, change func(site string, h *energy.SiteHour)) error {
	if len(p.Hours) == 0 {
		return c.wrong("changes what hours cost, and nothing is known of them: for a file's period name files such as --carbon, --tariff or --weather; for a centre declare signals of its sites")
	}
	_, only := c.atSite()
	if _, known := p.Hours[only]; only != "" && !known {
		return c.wrong("names a site of whose hours nothing is known; known are: " + strings.Join(slices.Sorted(maps.Keys(p.Hours)), ", "))
	}
	hours := map[string][]energy.SiteHour{}
	for site, list := range p.Hours {
		if only == "" || site == only {
			list = slices.Clone(list)
			for i := range list {
				change(site, &list[i])
			}
		}
		hours[site] = list
	}
	p.Hours = hours
	return nil
}

// figure is the only word of a clause, but for its site.
func (c *Change) figure() string {
	if words, _ := c.atSite(); len(words) == 1 {
		return words[0]
	}
	return ""
}

// scaled returns a figure scaled, or the stated one; a figure of which nothing
// is known stays unknown under a scale.
func (c *Change) scaled(unitsEach float64, most float64) (func(int64) int64, error) {
	if by, ok := scale(c.figure()); ok {
		return func(v int64) int64 {
			if v == energy.NoData {
				return v
			}
			return int64(math.Round(float64(v) * by))
		}, nil
	}
	v, err := strconv.ParseFloat(c.figure(), 64)
	if !(err == nil && v >= 0 && v <= most) {
		return nil, c.wrong("names neither a scale nor a figure nor a file")
	}
	return func(int64) int64 { return int64(math.Round(v * unitsEach)) }, nil
}

func (c *Change) carbon(p *TimedParams) error {
	if words, _ := c.atSite(); len(words) == 2 && words[0] == "price" {
		return c.carbonPrice(p, words[1])
	}
	if c.file() != "" {
		at, err := c.series(p, energy.CarbonIntensity, 1e6)
		if err != nil {
			return err
		}
		return c.eachHour(p, func(_ string, h *energy.SiteHour) { h.CarbonLocation = at(h) })
	}
	f, err := c.scaled(1000, 5000)
	if err != nil {
		return err
	}
	return c.eachHour(p, func(_ string, h *energy.SiteHour) {
		h.CarbonLocation, h.CarbonMarket, h.CarbonMarginal = f(h.CarbonLocation), f(h.CarbonMarket), f(h.CarbonMarginal)
	})
}

// maxCarbonPrice bounds a price of carbon, in yuan a tonne.
const maxCarbonPrice = 100_000

// carbonPrice charges every hour for the carbon of its grid power, so that bills and
// the planning of better hours alike see it. An hour whose price or carbon is not
// known stays as it is.
func (c *Change) carbonPrice(p *TimedParams, word string) error {
	yuan, err := strconv.ParseFloat(word, 64)
	if !(err == nil && yuan >= 0 && yuan <= maxCarbonPrice) {
		return c.wrong("names no price from 0 to 100,000 yuan a tonne of CO2e")
	}
	charged := false
	err = c.eachHour(p, func(_ string, h *energy.SiteHour) {
		if h.Price != energy.NoData && h.CarbonLocation != energy.NoData {
			charged = true
			h.Price += int64(math.Round(float64(h.CarbonLocation) * yuan)) // 1 mg at 1 yuan a tonne is 10^-9 yuan
		}
	})
	if err == nil && !charged {
		return c.wrong("charges for carbon, and there is no hour of which price and carbon are both known")
	}
	return err
}

func (c *Change) price(p *TimedParams) error {
	if c.file() != "" {
		at, err := c.series(p, energy.EnergyPrice, 1e9)
		if err != nil {
			return err
		}
		return c.eachHour(p, func(_ string, h *energy.SiteHour) { h.Price = at(h) })
	}
	f, err := c.scaled(1e9, 100)
	if err != nil {
		return err
	}
	return c.eachHour(p, func(_ string, h *energy.SiteHour) { h.Price = f(h.Price) })
}

func (c *Change) pue(p *TimedParams) error {
	v, err := strconv.ParseFloat(c.figure(), 64)
	if !(err == nil && v >= 1 && v <= 5) {
		return c.wrong("names no PUE from 1 to 5")
	}
	return c.eachHour(p, func(_ string, h *energy.SiteHour) { h.PUE = int64(math.Round(v * 1e6)) })
}

// series reads the file of a clause and returns its value in an hour. A series of
// another year stands for the same days of the period's.
func (c *Change) series(p *TimedParams, q energy.Quantity, scale float64) (func(*energy.SiteHour) int64, error) {
	text, err := c.text(c.file())
	if err != nil {
		return nil, err
	}
	name, column := FileName(c.file())
	s, err := energy.ParseSeries(name, text, energy.SeriesOptions{Quantity: q, Column: column, Gaps: true})
	if err != nil {
		return nil, fault.Wrap(err, "change "+strconv.Quote(c.Text), "read the series")
	}
	from, to := p.span()
	if s = datedAs(s, from, to); s == nil {
		return nil, c.wrong("names a series that has no value in the period from " + from.String() + " to " + to.String() + ", nor in the same days of its own year")
	}
	return func(h *energy.SiteHour) int64 {
		v, ok := s.Mean(h.From, h.To)
		if !ok {
			return energy.NoData
		}
		return int64(math.Round(v * scale))
	}, nil
}

// span is the time that the period takes, as far as it is known beforehand.
func (p *TimedParams) span() (from, to unit.Instant) {
	from = p.Begin()
	to = from.Add(p.Workload.Length())
	if p.PeriodEnd != 0 && p.PeriodEnd != unit.Never {
		to = p.PeriodEnd
	}
	return from, to
}

// datedAs moves a series by whole years so that it reaches into a time; nil when no
// number of years does.
func datedAs(s *energy.Series, from, to unit.Instant) *energy.Series {
	if s.Start < to && s.End() > from {
		return s
	}
	begin, wanted := time.Unix(0, int64(s.Start)).UTC(), time.Unix(0, int64(from)).UTC()
	for _, more := range []int{0, 1, -1} {
		moved := *s
		moved.Start = unit.Instant(begin.AddDate(wanted.Year()-begin.Year()+more, 0, 0).UnixNano())
		if moved.Start < to && moved.End() > from {
			return &moved
		}
	}
	return nil
}

// weather runs the plant of each site under other weather: its hours get another
// PUE and water, and other prices where the tariff follows the heat.
func (c *Change) weather(p *TimedParams) error {
	if c.file() == "" {
		return c.wrong("names no file")
	}
	text, err := c.text(c.file())
	if err != nil {
		return err
	}
	w, err := energy.ParseWeather(c.file(), text)
	if err != nil {
		return fault.Wrap(err, "change "+strconv.Quote(c.Text), "read the weather")
	}
	sites := map[string]*energy.SiteSources{}
	prices := map[string][]energy.SiteHour{}
	known := false
	for site, list := range p.Hours {
		if sites[site], err = c.plantUnder(site, w); err != nil {
			return err
		}
		known = known || slices.ContainsFunc(list, func(h energy.SiteHour) bool { return h.PUE != energy.NoData })
		if s := sites[site]; s.Tariff != nil && s.Tariff.FollowsHeat() && len(list) > 0 {
			if prices[site], err = s.Hours(list[0].From, list[len(list)-1].To); err != nil {
				return err
			}
		}
	}
	if len(p.Hours) > 0 && !known {
		return c.wrong("changes the weather, and none is known of the period: for a file's period name it with --weather FILE.epw; for a centre declare weather: and plant: of its sites")
	}
	return c.eachHour(p, func(site string, h *energy.SiteHour) {
		if f, ok := sites[site].Facility.At(h.From); ok {
			h.PUE, h.Water = max(int64(math.Round(f.PUE*1e6)), 1_000_000), int64(math.Round(f.WUE*1e6))
		}
		if priced, ok := energy.SiteHourAt(prices[site], h.From); ok && priced.Price != energy.NoData {
			h.Price = priced.Price
		}
	})
}

// plantUnder runs the plant of a site under weather.
func (c *Change) plantUnder(site string, w *energy.Weather) (*energy.SiteSources, error) {
	var at SitePlant
	if c.aids != nil {
		at = c.aids.Sites[""]
		if own, there := c.aids.Sites[site]; there {
			at = own
		}
	}
	var err error
	if at.Plant == nil {
		if at.Plant, err = energy.BuiltInPlant(energy.DefaultPlant); err != nil {
			return nil, err
		}
	}
	out := &energy.SiteSources{Tariff: at.Tariff}
	out.Facility, err = at.Plant.Year(w)
	return out, err
}

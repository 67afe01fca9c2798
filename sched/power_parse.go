package sched

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/unit"
)

// maxCapText bounds what is read as a cap.
const maxCapText = 1024

// ParseCap reads a cap as people write it: an area, how much, and when, such as
// "site=jianzhou 70% for 6d" or "hall=jianzhou/a1 400kW from=24h for=2h
// every=1d". A time span after from or until counts from now; without from the
// cap begins now, without for or to it holds until it is cleared. What would be
// left out in silence - a second amount, until without every, for beside to, a
// window of no length - is an error: the cap would hold longer than was meant.
func ParseCap(text string, now unit.Instant) (CapEvent, error) {
	k := CapEvent{From: now, To: unit.Never}
	bad := func(what string) (CapEvent, error) {
		return CapEvent{}, fault.New(fault.Invalid, "cap "+strconv.Quote(text[:min(len(text), 80)]), what, `write it like "site=jianzhou 70% from=24h for=6d"`)
	}
	if len(text) > maxCapText {
		return bad("is too long")
	}
	words := strings.Fields(text)
	if len(words) > 0 && words[0] == "cap" {
		words = words[1:]
	}
	length := time.Duration(0)
	given := map[string]bool{}
	for i := 0; i < len(words); i++ {
		key, value, paired := strings.Cut(words[i], "=")
		switch key {
		case "from", "for", "to", "until", "every":
			if !paired { // "for 6d" is "for=6d"
				if i++; i < len(words) {
					value = words[i]
				}
			}
		}
		if _, known := capKeys[key]; !known {
			key = "amount"
		}
		if given[capKeys[key]] {
			return bad("says twice " + capKeys[key])
		}
		given[capKeys[key]] = true
		var err error
		switch key {
		case "site", "building", "hall", "row", "rack", "node", "area":
			k.Area, k.Level = value, strings.TrimPrefix(key, "area")
		case "for":
			length, err = unit.ParseDuration(value)
		case "every":
			k.Every, err = unit.ParseDuration(value)
		case "from":
			k.From, err = instantOr(value, now)
		case "to":
			k.To, err = instantOr(value, now)
		case "until":
			k.Until, err = instantOr(value, now)
		default:
			if k.Area == "" && unicode.IsLetter(rune(words[i][0])) {
				return bad(strconv.Quote(words[i]) + " is no amount, and an area is named with its level, like site=" + words[i])
			}
			err = k.amount(words[i])
		}
		if err != nil {
			return bad(err.Error())
		}
	}
	if length > 0 {
		k.To = k.From.Add(length)
	}
	switch {
	case given[capKeys["for"]] && k.To == unit.Never:
		return bad("is for no time at all")
	case given[capKeys["until"]] && k.Every == 0:
		return bad("has until=, which ends what comes again with every=; one window ends with to= or for=")
	case k.Area == "":
		return bad("names no area")
	case k.Part == 0 && k.Limit == 0:
		return bad("says not how much may be drawn")
	}
	return k, nil
}

// capKeys are the words of a cap, with what each says.
var capKeys = map[string]string{
	"site": "which area", "building": "which area", "hall": "which area", "row": "which area", "rack": "which area", "node": "which area", "area": "which area",
	"from": "from when", "for": "until when it holds", "to": "until when it holds", "until": "until when it comes again", "every": "how often", "amount": "how much",
}

// amount reads a part of the configured limit, or power.
func (k *CapEvent) amount(s string) (err error) {
	if strings.HasSuffix(s, "%") {
		k.Part, err = fleet.ParsePart(s)
		return err
	}
	w, err := unit.ParseWatts(s)
	k.Limit = Milliwatts(w)
	return err
}

func instantOr(s string, now unit.Instant) (unit.Instant, error) {
	if d, err := unit.ParseDuration(s); err == nil {
		return now.Add(d), nil
	}
	return unit.ParseInstant(s)
}

// Amount renders how much a cap allows.
func (k *CapEvent) Amount() string {
	if k.Part > 0 {
		return strconv.FormatFloat(float64(k.Part)/10_000, 'f', -1, 64) + "%"
	}
	return unit.Watts(float64(k.Limit) / 1000).String()
}

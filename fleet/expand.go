package fleet

import (
	"strconv"
	"strings"

	"tianfu/fault"
)

// Bounds of a pattern and of one name it stands for, in bytes.
const (
	maxPattern = 4096
	maxName    = 253 // as a host name
	maxBraces  = 8
	zeros      = "0000000000"
)

// Expand writes out a pattern of names: "a{001..096}" counts with leading
// zeros, "{x,y}" lists, and several braces multiply, the last one fastest. More
// than limit names are an error.
func Expand(pattern string, limit int) ([]string, error) {
	if len(pattern) > maxPattern {
		return nil, fault.Invalidf("", "a pattern of %d bytes; %d are allowed", len(pattern), maxPattern)
	}
	if strings.Count(pattern, "{") > maxBraces {
		return nil, fault.Invalidf("", "%.40q... has more than %d braces", pattern, maxBraces)
	}
	out := []string{""}
	for rest := pattern; ; {
		open := strings.IndexByte(rest, '{')
		if open < 0 {
			if strings.ContainsRune(rest, '}') {
				return nil, fault.Invalidf("", `%q closes a brace that is not open`, pattern)
			}
			return product(out, []string{rest}, limit, pattern)
		}
		end := strings.IndexByte(rest, '}')
		if end < open {
			return nil, fault.Invalidf("", `%q: braces do not match; write a{001..096} or {x,y}`, pattern)
		}
		items, err := braces(rest[open+1:end], limit, pattern)
		if err == nil {
			out, err = product(out, []string{rest[:open]}, limit, pattern)
		}
		if err == nil {
			out, err = product(out, items, limit, pattern)
		}
		if err != nil {
			return nil, err
		}
		rest = rest[end+1:]
	}
}

func product(heads, tails []string, limit int, pattern string) ([]string, error) {
	if len(heads)*len(tails) > limit {
		return nil, fault.Invalidf("", "%q stands for more than %d names", pattern, limit)
	}
	if len(tails) == 1 && tails[0] == "" {
		return heads, nil
	}
	out := make([]string, 0, len(heads)*len(tails))
	for _, h := range heads {
		for _, t := range tails {
			if len(h)+len(t) > maxName {
				return nil, fault.Invalidf("", "the name %.40q... is longer than %d bytes", h+t, maxName)
			}
			out = append(out, h+t)
		}
	}
	return out, nil
}

// braces reads what stands between two braces.
func braces(body string, limit int, pattern string) ([]string, error) {
	var out []string
	for _, item := range strings.Split(body, ",") {
		first, last, ranged := strings.Cut(item, "..")
		if !ranged {
			if item == "" || strings.ContainsRune(item, '{') {
				return nil, fault.Invalidf("", "%q has an empty or nested brace", pattern)
			}
			out = append(out, item)
			continue
		}
		a, errA := strconv.ParseUint(first, 10, 31)
		b, errB := strconv.ParseUint(last, 10, 31)
		if errA != nil || errB != nil || b < a {
			return nil, fault.Invalidf("", "%q: %q is no range; write it like {001..096}", pattern, item)
		}
		if b-a >= uint64(limit) || len(out)+int(b-a) >= limit {
			return nil, fault.Invalidf("", "%q stands for more than %d names", pattern, limit)
		}
		width := 0
		if first[0] == '0' {
			width = len(first)
		}
		if width > len(zeros) {
			return nil, fault.Invalidf("", "%q: %q has more than %d digits", pattern, item, len(zeros))
		}
		for ; a <= b; a++ {
			digits := strconv.FormatUint(a, 10)
			out = append(out, zeros[:max(width-len(digits), 0)]+digits)
		}
	}
	if len(out) > limit {
		return nil, fault.Invalidf("", "%q stands for more than %d names", pattern, limit)
	}
	return out, nil
}

package mqtt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"tianfu/fault"
)

// Bounds of a message.
const (
	maxPayload = 64 << 10
	maxDepth   = 16
)

// number returns the number in a message: all of it, or the field at a path such
// as ENERGY.Total or phases.0.power of a JSON document.
func number(payload []byte, field string) (string, error) {
	if len(payload) > maxPayload {
		return "", fault.Invalidf("", "a message of %d bytes; %d are the most", len(payload), maxPayload)
	}
	if field == "" {
		text := strings.TrimSpace(string(payload[:min(len(payload), 64)]))
		return strings.Trim(text, `"`), nil
	}
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return "", fault.Invalidf("", "the message is no JSON: %v", err)
	}
	path := strings.Split(field, ".")
	if len(path) > maxDepth {
		return "", fault.Invalidf("field", "%q is deeper than %d", field, maxDepth)
	}
	for _, key := range path {
		switch at := v.(type) {
		case map[string]any:
			v = at[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(at) {
				v = nil
			} else {
				v = at[i]
			}
		default:
			v = nil
		}
	}
	switch n := v.(type) {
	case json.Number:
		return n.String(), nil
	case string:
		return n, nil
	}
	return "", fault.New(fault.NotFound, "", fmt.Sprintf("the message has no number at %q", field), "check the field's path; letters of both sizes differ")
}

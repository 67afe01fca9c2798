package meter

import (
	"bytes"
	"encoding/json"

	"tianfu/fault"
)

// ReadWholeReceipt reads a receipt of which nothing may be passed over: a key that is no
// part of one, or that comes twice, is an error. Whoever verifies a receipt takes all
// that it shows as verified, and of a key given twice another reader may show the other.
func ReadWholeReceipt(text []byte) (*Receipt, error) {
	r, err := ReadReceipt(text)
	if err != nil {
		return nil, err
	}
	own, err := r.text()
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	if err := keysOf(json.NewDecoder(bytes.NewReader(own)), "", func(path string) error { known[path] = true; return nil }); err != nil {
		return nil, err
	}
	return r, keysOf(json.NewDecoder(bytes.NewReader(text)), "", func(path string) error {
		if !known[path] {
			return fault.New(fault.Invalid, path, "is no part of a receipt", "")
		}
		return nil
	})
}

// keysOf calls f with the path of every key of a value.
func keysOf(d *json.Decoder, path string, f func(path string) error) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	switch t {
	case json.Delim('['):
		for d.More() {
			if err := keysOf(d, path, f); err != nil {
				return err
			}
		}
	case json.Delim('{'):
		seen := map[string]bool{}
		for d.More() {
			k, err := d.Token()
			if err != nil {
				return err
			}
			name, _ := k.(string)
			at := name
			if path != "" {
				at = path + "." + name
			}
			if seen[name] {
				return fault.New(fault.Invalid, at, "is given twice", "")
			}
			seen[name] = true
			if err := f(at); err != nil {
				return err
			}
			if err := keysOf(d, at, f); err != nil {
				return err
			}
		}
	default:
		return nil
	}
	_, err = d.Token()
	return err
}

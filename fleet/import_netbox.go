package fleet

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"tianfu/fault"
)

// netboxColumns are the columns read, as the export of a table and the import
// format of NetBox spell them.
func netboxColumns() map[string][]string {
	return map[string][]string{
		"name": {"name"}, "type": {"type", "device type", "device_type"}, "site": {"site"}, "location": {"location"},
		"rack": {"rack"}, "position": {"position", "position (u)"}, "serial": {"serial", "serial number"}, "status": {"status"},
	}
}

// maxTypes bounds the device types that are left out.
const maxTypes = 1000

// ImportNetBox reads a CSV export of NetBox's devices. A device type is a SKU
// of the catalogue by name or alias, or is mapped to one by types (type to SKU);
// devices of types that are neither are left out and noted, for a rack also
// holds switches. The name is only used in messages.
func ImportNetBox(name string, data []byte, c *Catalogue, types map[string]string) (*Import, error) {
	if err := tooLarge(name, data); err != nil {
		return nil, err
	}
	for typ, sku := range types {
		if c.SKU(sku) == nil {
			return nil, fault.New(fault.Invalid, "--sku "+typ+"="+sku, "the catalogue knows no such SKU", "see: tianfu catalogue list skus")
		}
	}
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))))
	r.ReuseRecord = true
	column, err := netboxHeader(name, r)
	if err != nil {
		return nil, err
	}
	im := &Import{Name: "netbox"}
	left := map[string]int{}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, csvError(name, err)
		}
		line, _ := r.FieldPos(0)
		field := func(key string) string {
			if i, ok := column[key]; ok {
				return strings.TrimSpace(row[i])
			}
			return ""
		}
		where := fmt.Sprintf("%s:%d", name, line)
		n, err := netboxNode(im, c, types, left, field)
		if err != nil {
			return nil, fault.Wrap(err, where, "device")
		}
		if n == nil {
			continue
		}
		if err := im.add(*n, where); err != nil {
			return nil, err
		}
	}
	for _, typ := range slices.Sorted(maps.Keys(left)) {
		im.note("%d devices of type %q are left out: the catalogue knows no such SKU; map it with --sku '%s=SKU'", left[typ], typ, typ)
	}
	if len(im.Nodes) == 0 {
		return nil, fault.New(fault.Invalid, name, "has no device of a known type", "map types with --sku 'TYPE=SKU'; see: tianfu catalogue list skus")
	}
	return im, nil
}

func netboxHeader(name string, r *csv.Reader) (map[string]int, error) {
	head, err := r.Read()
	if err != nil {
		return nil, csvError(name, err)
	}
	column := map[string]int{}
	for key, spellings := range netboxColumns() {
		for i, h := range head {
			if slices.Contains(spellings, strings.ToLower(strings.TrimSpace(h))) {
				column[key] = i
			}
		}
	}
	for _, must := range []string{"name", "type", "site"} {
		if _, ok := column[must]; !ok {
			return nil, fault.New(fault.Invalid, name+":1", "has no column "+must, "export all columns of the devices")
		}
	}
	return column, nil
}

// netboxNode reads one device; nil for one of a type that is left out.
func netboxNode(im *Import, c *Catalogue, types map[string]string, left map[string]int, field func(string) string) (*Imported, error) {
	typ := field("type")
	sku := c.SKU(typ)
	if mapped, ok := types[typ]; ok {
		sku = c.SKU(mapped)
	}
	if sku == nil {
		if left[strings.Clone(typ)]++; len(left) > maxTypes {
			return nil, fault.New(fault.Invalid, "type", fmt.Sprintf("more than %d device types", maxTypes), "export the servers only")
		}
		return nil, nil
	}
	n := &Imported{Name: strings.Clone(field("name")), SKU: sku.Name, Serial: field("serial"),
		Place: Place{Site: field("site"), Hall: field("location"), Rack: field("rack")}}
	if n.Name == "" || n.Place.Site == "" {
		return nil, fault.New(fault.Invalid, "", "has no name or no site", "fill them in")
	}
	if text := field("position"); text != "" && n.Place.Rack != "" {
		// NetBox also knows half units; the lower whole one is taken.
		u, err := strconv.ParseFloat(text, 64)
		if err != nil || !(u >= 0.5 && u <= maxRackUnits) {
			return nil, fault.New(fault.Invalid, "position", strconv.Quote(text)+" is no rack unit", "leave it empty for devices outside a rack")
		}
		n.Position = max(int(u), 1)
	}
	switch status := strings.ToLower(field("status")); status {
	case "", "active":
	case "failed":
		n.Health, n.Reason = Failed, "failed in NetBox"
	case "offline", "planned", "staged", "inventory", "decommissioning":
		n.Cordoned, n.Reason = true, status+" in NetBox"
	default:
		im.note("status %q is taken as active", status)
	}
	return n, nil
}

func csvError(name string, err error) error {
	if p, ok := errors.AsType[*csv.ParseError](err); ok {
		return fault.New(fault.Invalid, fmt.Sprintf("%s:%d", name, p.Line), p.Err.Error(), "")
	}
	return fault.New(fault.Invalid, name, "is empty or not CSV: "+err.Error(), "")
}

package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"testing"
)

const chengduWeather = "weather/CHN_SC_Chengdu.562940_CSWD.epw"

// TestGreenPUEDocument holds the JSON document to its contract: these keys, in
// this order, no others, and twelve months of Chengdu.
func TestGreenPUEDocument(t *testing.T) {
	code, out, errs := execute("green", "pue", "--weather", sharedFile(t, chengduWeather), "--plant", "lei-masanet-case2", "-o", "json")
	if code != 0 || errs != "" {
		t.Fatalf("ends with %d: %s", code, errs)
	}
	var keys []string
	dec := json.NewDecoder(strings.NewReader(out))
	for depth := 0; ; {
		token, err := dec.Token()
		if err != nil {
			break
		}
		switch d, _ := token.(json.Delim); d {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		default:
			if s, ok := token.(string); ok && depth == 1 {
				keys = append(keys, s)
			}
		}
	}
	if got := strings.Join(keys, " "); got != "pue wue pue_max free_cooling_hours months hours" {
		t.Errorf("keys %s", got)
	}
	doc := struct {
		PUE    float64
		WUE    float64
		Max    float64                           `json:"pue_max"`
		Free   struct{ Full, Partial, None int } `json:"free_cooling_hours"`
		Months []struct {
			Month    int
			PUE, WUE float64
		}
		Hours []struct{ PUE, WUE float64 }
	}{}
	strict := json.NewDecoder(strings.NewReader(out))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	if math.Abs(doc.PUE-1.1489) > 3e-4 || math.Abs(doc.WUE-2.084) > 6e-4 || math.Abs(doc.Max-1.315) > 1e-3 || doc.Free.Full != 6495 || doc.Free.Partial != 2163 || doc.Free.None != 102 {
		t.Errorf("%+v", doc.Free)
	}
	if len(doc.Months) != 12 || doc.Months[11].Month != 12 || len(doc.Hours) != 8760 {
		t.Errorf("%d months, %d hours", len(doc.Months), len(doc.Hours))
	}
}

// TestGreenPUECSVIsWeather reads the hourly output back as weather.
func TestGreenPUECSVIsWeather(t *testing.T) {
	weather := sharedFile(t, chengduWeather)
	first := csvRows(t, "green", "pue", "--weather", weather, "--parts", "-o", "csv")
	file := t.TempDir() + "/again.csv"
	var text bytes.Buffer
	w := csv.NewWriter(&text)
	w.WriteAll(first)
	if err := writeFile(file, func(out writer) error { _, err := out.Write(text.Bytes()); return err }); err != nil {
		t.Fatal(err)
	}
	again := csvRows(t, "green", "pue", "--weather", file, "--parts", "-o", "csv")
	if len(first) != 8761 || len(again) != len(first) {
		t.Fatalf("%d and %d rows", len(first), len(again))
	}
	for i := range first {
		if strings.Join(first[i], ",") != strings.Join(again[i], ",") {
			t.Fatalf("row %d: %v, then %v", i, first[i], again[i])
		}
	}
	// Columns from "it" on are the parts of pue and wue.
	for _, row := range first[1:] {
		pue, wue := 0.0, 0.0
		for k, cell := range row[11:] {
			v, _ := strconv.ParseFloat(cell, 64)
			if k < 10 {
				pue += v
			} else {
				wue += v
			}
		}
		p, _ := strconv.ParseFloat(row[9], 64)
		l, _ := strconv.ParseFloat(row[10], 64)
		if math.Abs(pue-p) > 1e-5 || math.Abs(wue-l) > 1e-5 {
			t.Fatalf("parts sum to %g and %g in %v", pue, wue, row)
		}
	}
}

func csvRows(t *testing.T, args ...string) [][]string {
	t.Helper()
	code, out, errs := execute(args...)
	if code != 0 {
		t.Fatalf("%v ends with %d: %s", args, code, errs)
	}
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestGreenPUEWithPlantAndChillerFiles gives the same plant and the sampled
// grid as files.
func TestGreenPUEWithPlantAndChillerFiles(t *testing.T) {
	type year struct{ PUE, WUE float64 }
	weather := sharedFile(t, chengduWeather)
	own := decode[year](t, "green", "pue", "--weather", weather)
	file := decode[year](t, "green", "pue", "--weather", weather, "--plant", sharedFile(t, "weather/plant_case2.json"), "--chiller", sharedFile(t, "weather/chiller_cop_grid.csv"))
	if math.Abs(own.PUE-file.PUE) > 1e-5 || math.Abs(own.WUE-file.WUE) > 1e-5 {
		t.Errorf("built in %+v, from files %+v", own, file)
	}
	physical := decode[year](t, "green", "pue", "--weather", weather, "--as-published=false")
	if !(physical.PUE > own.PUE && physical.WUE > own.WUE) {
		t.Errorf("physical %+v is not above as published %+v", physical, own)
	}
}

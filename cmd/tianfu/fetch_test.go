package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tianfu/fault"
)

// TestFetchChecksWhatItDownloads serves a trace from this machine: a right file
// is written whole, a wrong checksum, a missing page and a server that is away
// write nothing.
func TestFetchChecksWhatItDownloads(t *testing.T) {
	body := []byte("name,cpu_milli\n")
	sum := sha256.Sum256(body)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/trace.csv" {
			http.NotFound(w, r)
			return
		}
		w.Write(body)
	}))
	defer s.Close()
	away := httptest.NewServer(nil)
	away.Close()
	for _, c := range []struct {
		name, url, sum string
		kind           fault.Kind
		want           string
	}{
		{"right", s.URL + "/trace.csv", hex.EncodeToString(sum[:]), 0, ""},
		{"other checksum", s.URL + "/trace.csv", strings.Repeat("0", 64), fault.Invalid, "has checksum"},
		{"no such page", s.URL + "/gone.csv", "", fault.Unavailable, "404"},
		{"server away", away.URL + "/trace.csv", "", fault.Unavailable, "go online"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			var out, errs bytes.Buffer
			p := &program{out: &out, err: &errs}
			err := p.fetch(context.Background(), &publicTrace{Name: "t", URLs: []string{c.url}, Sums: []string{c.sum}, Licence: "free", Cite: "nobody"}, dir)
			if c.want != "" {
				if err == nil || fault.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want a %v error that says %q", err, c.kind, c.want)
				}
				if files, _ := os.ReadDir(dir); len(files) != 0 {
					t.Errorf("%d files were written", len(files))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join(dir, "trace.csv"))
			if err != nil || !bytes.Equal(got, body) {
				t.Errorf("the file holds %q, %v", got, err)
			}
			if !strings.Contains(errs.String(), "licence: free") {
				t.Error("the licence is not shown")
			}
		})
	}
}

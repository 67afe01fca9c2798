package fleet

import (
	"path"
	"strconv"
	"strings"
)

// maxDatasets bounds the data sets of a world.
const maxDatasets = 10_000

// Dataset is a directory or file of the site that jobs may mount by its name.
type Dataset struct {
	at
	Name string
	// Path is where it lies on every node that runs its jobs.
	Path     string
	Tenants  []string // who may mount it; none = every tenant
	Writable bool     // they may also write
}

// Serves tells whether a tenant may mount the data set.
func (d *Dataset) Serves(tenant string) bool {
	for _, t := range d.Tenants {
		if t == tenant {
			return true
		}
	}
	return len(d.Tenants) == 0
}

// datasets checks what is declared.
func (b *builder) datasets() {
	if n := len(b.w.Datasets); n > maxDatasets {
		b.fail(b.w.Datasets[maxDatasets].line, "", "%d data sets; %d are the most", n, maxDatasets)
		return
	}
	seen := map[string]bool{}
	for i := range b.w.Datasets {
		d := &b.w.Datasets[i]
		if d.Name == "" || len(d.Name) > 128 || strings.ContainsAny(d.Name, "/\x00 \t\n") || seen[d.Name] {
			b.fail(d.line, "give it a name of its own, without slash and space", "data set %s has no such name", strconv.Quote(d.Name))
		}
		seen[d.Name] = true
		if !path.IsAbs(d.Path) || path.Clean(d.Path) != d.Path || d.Path == "/" || len(d.Path) > 4096 || strings.ContainsRune(d.Path, 0) {
			b.fail(d.line, "write a plain absolute path such as /srv/data/openimages", "data set %s lies at %q", d.Name, d.Path)
		}
		switch first, _, _ := strings.Cut(strings.TrimPrefix(d.Path, "/"), "/"); first {
		case "proc", "sys", "dev", "etc", "root", "boot":
			b.fail(d.line, "keep data apart from the system", "data set %s lies at %q, which is the system's", d.Name, d.Path)
		}
	}
}

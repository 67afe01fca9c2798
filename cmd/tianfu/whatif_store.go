package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"tianfu/fault"
	"tianfu/sim"
)

// whatIfStore keeps what-ifs as files of a directory, named by their address.
type whatIfStore struct{ dir string }

var whatIfName = regexp.MustCompile(`^w-[0-9a-f]{12}$`)

// maxWhatIfs bounds what a listing reads.
const maxWhatIfs = 1000

func (s whatIfStore) save(w *sim.WhatIf) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return &fault.Error{Kind: fault.Unavailable, Where: s.dir, What: "make the directory of what-ifs", Err: err}
	}
	text, err := json.MarshalIndent(w, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(s.dir, w.ID+".json"), func(out writer) error { _, err := out.Write(append(text, '\n')); return err })
}

func (s whatIfStore) load(id string) (*sim.WhatIf, error) {
	missing := fault.New(fault.NotFound, "what-if "+id, "does not exist", "see: tianfu whatif list")
	if !whatIfName.MatchString(id) {
		return nil, missing
	}
	text, err := readBounded(filepath.Join(s.dir, id+".json"), 1<<20)
	if err != nil {
		return nil, missing
	}
	w := &sim.WhatIf{}
	if err := json.Unmarshal(text, w); err != nil || w.ID != id {
		return nil, fault.New(fault.Internal, filepath.Join(s.dir, id+".json"), "is damaged", "ask again: the answer gets the same address")
	}
	return w, nil
}

func (s whatIfStore) list() ([]sim.WhatIf, error) {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return []sim.WhatIf{}, nil
	}
	if err != nil {
		return nil, &fault.Error{Kind: fault.Unavailable, Where: s.dir, What: "list what-ifs", Err: err}
	}
	type made struct {
		id string
		at time.Time
	}
	var found []made
	for _, e := range entries {
		id, json := strings.CutSuffix(e.Name(), ".json")
		info, err := e.Info()
		if json && err == nil && whatIfName.MatchString(id) {
			found = append(found, made{id, info.ModTime()})
		}
	}
	slices.SortFunc(found, func(a, b made) int { return cmp.Or(b.at.Compare(a.at), strings.Compare(a.id, b.id)) })
	out := []sim.WhatIf{}
	for _, m := range found[:min(len(found), maxWhatIfs)] {
		if w, err := s.load(m.id); err == nil {
			out = append(out, *w)
		}
	}
	return out, nil
}

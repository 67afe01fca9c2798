package control

import (
	"slices"

	"tianfu/job"
	"tianfu/sched"
)

// pageBits is the logarithm of how many jobs a page of the table holds: small
// enough that one job which never ends keeps few others from being shared.
const pageBits = 7

// jobTable keeps the jobs by ID, in pages. What has ended for good never
// changes again, so copies of a state share the pages on which every job has
// ended: a fork costs what is alive, not what ever was.
type jobTable struct {
	pages []*jobPage
	over  []bool // pages that never change again, as far as known
	n     int
}

type jobPage [1 << pageBits]jobState

func (t *jobTable) len() int { return t.n }

// at returns job number i, from 0.
func (t *jobTable) at(i int) *jobState {
	return &t.pages[i>>pageBits][i&(1<<pageBits-1)]
}

func (t *jobTable) add(j jobState) *jobState {
	if t.n>>pageBits == len(t.pages) {
		t.pages, t.over = append(t.pages, new(jobPage)), append(t.over, false)
	}
	t.n++
	out := t.at(t.n - 1)
	*out = j
	return out
}

// alive tells whether anything about the job may still change.
func (j *jobState) alive() bool { return j.phase <= Running || j.running > 0 }

// settle looks for pages that never change again. Only the owner of the state
// calls it; each page is looked through until it is over.
func (t *jobTable) settle() {
	for p := range t.n >> pageBits {
		if t.over[p] {
			continue
		}
		t.over[p] = true
		for i := range t.pages[p] {
			if t.pages[p][i].alive() {
				t.over[p] = false
				break
			}
		}
	}
}

// clone copies the pages that may change and shares the rest.
func (t *jobTable) clone() jobTable {
	out := jobTable{pages: slices.Clone(t.pages), over: slices.Clone(t.over), n: t.n}
	for p := range out.pages {
		if out.over[p] {
			continue
		}
		page := *out.pages[p]
		for i := range page {
			if j := &page[i]; j.alive() {
				j.more = slices.Clone(j.more)
				j.cloneShift()
			}
		}
		out.pages[p] = &page
	}
	return out
}

// living calls f with every job that has not ended for good, in order of ID, and
// perhaps with others.
func (t *jobTable) living(f func(job.ID, *jobState)) {
	for p, page := range t.pages {
		if t.over[p] {
			continue
		}
		for i := range min(len(page), t.n-p<<pageBits) {
			if page[i].alive() {
				f(job.ID(p<<pageBits+i+1), &page[i])
			}
		}
	}
}

// code codes the jobs as a list.
func (t *jobTable) code(x *sched.Coder) {
	n := uint64(t.n)
	x.Uvarint(&n)
	for i := range n {
		if x.Err() != nil {
			return
		}
		j := &jobState{}
		if !x.Reading() {
			j = t.at(int(i))
		}
		j.code(x)
		if x.Reading() {
			t.add(*j)
		}
	}
}

func (s *State) jobOf(id job.ID) *jobState {
	if id == 0 || uint64(id) > uint64(s.jobs.len()) {
		return nil
	}
	return s.jobs.at(int(id - 1))
}

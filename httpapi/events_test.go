package httpapi_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"tianfu/fault"
	"tianfu/httpapi"
)

// crowd submits jobs of a tenant, which stay pending, and returns their IDs.
func (c *centre) crowd(t testing.TB, client *httpapi.Client, n int) (ids []string) {
	t.Helper()
	for range n {
		j, err := client.Submit(t.Context(), &httpapi.JobBody{Name: "waits", Groups: []httpapi.GroupBody{{CPU: "100m", Memory: "64MiB"}}, WorkBody: httpapi.WorkBody{Command: []string{"true"}}}, "", false)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, j.ID)
	}
	return ids
}

// TestEventsBeginWithWhatStands opens a stream while jobs are submitted and
// cancelled: what a client makes of the parts and of the changes is what the centre
// holds in the end, over a break within, and nothing of another tenant.
func TestEventsBeginWithWhatStands(t *testing.T) {
	c := openCentre(t, httpapi.Options{})
	a := &httpapi.Client{Base: c.server.URL, Token: c.token(t, httpapi.TenantUser, "a")}
	b := &httpapi.Client{Base: c.server.URL, Token: c.token(t, httpapi.TenantUser, "b")}
	foreign := c.crowd(t, b, 3)
	ids, last := c.crowd(t, a, 1200), c.crowd(t, a, 1)[0]
	go func() { // between parts and after them
		for i := range 300 {
			if err := a.Cancel(context.Background(), ids[(i*997)%len(ids)]); err != nil {
				t.Error(err)
			}
		}
		c.crowd(t, a, 20)
		if err := a.Cancel(context.Background(), last); err != nil {
			t.Error(err)
		}
	}()
	stands, parts, firsts := map[string]string{}, 0, 0
	w := &httpapi.Watch{}
	w.Standing = func(part []httpapi.Job, first bool) {
		if parts++; first {
			firsts++
			clear(stands)
		}
		for _, j := range part {
			stands[j.ID] = j.Phase
		}
	}
	w.Changed = func(e httpapi.Event) bool {
		stands[e.Job] = e.Phase
		return e.Job != last
	}
	if err := a.Watch(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(stands, func(_, phase string) bool { return phase != "pending" })
	if parts < 3 || firsts != 1 {
		t.Errorf("%d parts, %d of them the first", parts, firsts)
	}
	for cursor := ""; ; {
		page, err := a.Jobs(t.Context(), httpapi.ListQuery{Phase: "pending", Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range page.Jobs {
			if stands[j.ID] == "" {
				t.Errorf("%s is pending, and the stream did not say so", j.ID)
			}
			delete(stands, j.ID)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if len(stands) > 0 {
		t.Errorf("the stream told of %v, and nothing of that is pending", stands)
	}
	if err := a.Watch(t.Context(), &httpapi.Watch{Jobs: foreign[:1]}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a job of another tenant: %v", err)
	}
}

// TestEventsOfSomeJobs watches jobs by name: one that has ended stands there too, and
// changes of others do not come.
func TestEventsOfSomeJobs(t *testing.T) {
	c := openCentre(t, httpapi.Options{})
	a := &httpapi.Client{Base: c.server.URL, Token: c.token(t, httpapi.TenantUser, "a")}
	ids := c.crowd(t, a, 3)
	if err := a.Cancel(t.Context(), ids[0]); err != nil {
		t.Fatal(err)
	}
	var told []string
	w := &httpapi.Watch{Jobs: ids[:2]}
	w.Standing = func(part []httpapi.Job, _ bool) {
		for _, j := range part {
			told = append(told, j.ID+" "+j.Phase)
		}
	}
	w.Ready = func() bool {
		for _, id := range []string{ids[2], ids[1]} {
			if err := a.Cancel(t.Context(), id); err != nil {
				t.Error(err)
			}
		}
		return true
	}
	w.Changed = func(e httpapi.Event) bool { told = append(told, e.Job+" "+e.Phase); return false }
	if err := a.Watch(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(told, ", "); got != "j-1 cancelled, j-2 pending, j-2 cancelled" {
		t.Errorf("told: %s", got)
	}
}

// TestEventsLostBeginAnew comes back with a number that is not kept: what stands is sent
// again, or the client is told that it has missed something.
func TestEventsLostBeginAnew(t *testing.T) {
	c := openCentre(t, httpapi.Options{})
	token := c.token(t, httpapi.TenantUser, "a")
	a := &httpapi.Client{Base: c.server.URL, Token: token}
	c.crowd(t, a, 2)
	stood := 0
	w := &httpapi.Watch{After: 1 << 40}
	readied := 0
	w.Ready = func() bool { readied++; return readied < 2 } // the hello, and what stands
	w.Standing = func(part []httpapi.Job, _ bool) { stood += len(part) }
	if err := a.Watch(t.Context(), w); err != nil || stood != 2 || w.After >= 1<<40 {
		t.Errorf("%v, %d jobs stand, next after %d", err, stood, w.After)
	}
	kept := &httpapi.Watch{After: 1 << 40}
	kept.Ready = func() bool { readied++; return readied < 4 } // the hello, and the gap
	if err := a.Watch(t.Context(), kept); err != nil || readied != 4 || kept.After >= 1<<40 {
		t.Errorf("without what stands: %v, ready %d times, next after %d", err, readied, kept.After)
	}
	for query, want := range map[string]string{"job=x": "job", "snapshot=maybe": "snapshot", strings.Repeat("job=j-1&", 101): "at most 100"} {
		if status, body := c.send(t, "GET", "/v1/events?"+query, token, ""); status != http.StatusUnprocessableEntity || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", fmt.Sprintf("%.20s", query), status, body)
		}
	}
}

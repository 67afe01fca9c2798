package httpapi

import (
	"strings"
	"testing"

	"tianfu/control"
	"tianfu/fleet"
	"tianfu/job"
)

// TestReasonNamesNobodyElse holds back which job of another tenant stands ahead.
func TestReasonNamesNobodyElse(t *testing.T) {
	f := &fleet.Fleet{Name: "t", Nodes: []fleet.Node{{ID: "n1", CPU: 4000, Memory: 1 << 20}}}
	st, err := control.Open(control.Config{Fleet: f, Policy: "tianfu"})
	if err != nil {
		t.Fatal(err)
	}
	s := &job.Spec{Name: "x", Tenant: "alpha", Groups: []job.Group{{Name: "main", Count: 1, Request: job.Request{CPU: 1000, Memory: 1}}}}
	if out := st.Step(1, []control.Input{{Kind: control.Submit, Spec: s, Tag: 1}}); len(out.Refusals) > 0 {
		t.Fatal(out.Refusals)
	}
	why := control.Reason{Considered: 1, Ahead: 1}
	for _, x := range []struct {
		who  Caller
		want bool
	}{{Caller{Role: Operator}, true}, {Caller{Role: Auditor}, true}, {Caller{Role: TenantUser, Tenant: "alpha"}, true}, {Caller{Role: TenantAdmin, Tenant: "beta"}, false}} {
		r := reasonOf(st, x.who, &why)
		if told := r.Ahead == "j-1" && strings.Contains(r.Text, "j-1"); told != x.want || !x.want && strings.Contains(r.Ahead+r.Text, "j-1") {
			t.Errorf("%s of %q is told %+v", x.who.Role, x.who.Tenant, r)
		}
	}
}

// TestPlainReason has a sentence of its own for every cause, none of them a bare
// word such as "cordoned".
func TestPlainReason(t *testing.T) {
	s := &job.Spec{Name: "x", Groups: []job.Group{{Name: "main", Count: 2, Request: job.Request{CPU: 1000, Memory: 1}}}}
	for c := control.Cause(1); !strings.HasPrefix(c.String(), "cause "); c++ {
		text := plainReason(&control.Reason{Dominant: c}, s, &control.Room{}, &Reason{Cause: c.String()})
		if text == "" || text == c.String() || !strings.Contains(text, " ") {
			t.Errorf("%s is told as %q", c, text)
		}
	}
}

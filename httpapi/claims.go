package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"tianfu/fault"
	"tianfu/job"
)

// Bounds of rules and of what they read.
const (
	maxRules      = 1000
	maxClaimParts = 8
	maxMembers    = 10_000 // of a list, such as groups
)

// ClaimRules say who the people of a provider are in this centre.
type ClaimRules struct {
	// Name is the claim that people are shown by; empty is "email", then
	// "preferred_username", then "name".
	Name string `yaml:"name"`
	// Rules are tried in order; the first that fits counts.
	Rules []ClaimRule `yaml:"rules"`
}

// ClaimRule gives a role to whoever has something in a claim.
type ClaimRule struct {
	Claim  string     `yaml:"claim"`  // such as groups or realm_access.roles
	Has    string     `yaml:"has"`    // the value, or one of a list's
	Prefix string     `yaml:"prefix"` // or how it begins: what follows is the tenant
	Role   Role       `yaml:"role"`
	Tenant job.Tenant `yaml:"tenant"`
	Scopes []Scope    `yaml:"scopes"`
}

// ParseClaimRules reads and checks the rules of a file.
func ParseClaimRules(where string, text []byte) (*ClaimRules, error) {
	out := &ClaimRules{}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(out); err != nil && !errors.Is(err, io.EOF) {
		return nil, fault.Invalidf(where, "%v", err)
	}
	if len(out.Rules) == 0 || len(out.Rules) > maxRules {
		return nil, fault.New(fault.Invalid, where, fmt.Sprintf("%d rules", len(out.Rules)), "give 1 to 1000 under rules:")
	}
	for i := range out.Rules {
		if err := out.Rules[i].check(); err != nil {
			return nil, fault.Wrap(err, where, fmt.Sprintf("rule %d", i+1))
		}
	}
	return out, nil
}

func (r *ClaimRule) check() error {
	if r.Claim == "" || strings.Count(r.Claim, ".") >= maxClaimParts {
		return fault.New(fault.Invalid, "claim", quoted(r.Claim)+" names no claim", "such as groups or realm_access.roles")
	}
	if (r.Has == "") == (r.Prefix == "") {
		return fault.New(fault.Invalid, "claim "+r.Claim, "a rule has either has: or prefix:", "")
	}
	tenant := r.Tenant
	if r.Prefix != "" {
		if r.Tenant != "" || !r.Role.ofTenant() {
			return fault.New(fault.Invalid, "prefix", "what follows it is the tenant", "leave tenant out, and give a role of a tenant")
		}
		tenant = "named-by-the-claim"
	}
	if err := r.Role.check(tenant); err != nil {
		return err
	}
	return checkScopes(r.Scopes)
}

// caller returns who somebody with these claims is; false is nobody.
func (r *ClaimRules) caller(claims map[string]any) (Caller, bool) {
	for i := range r.Rules {
		rule := &r.Rules[i]
		for _, value := range valuesAt(claims, rule.Claim) {
			who := Caller{Name: r.name(claims), Role: rule.Role, Tenant: rule.Tenant, Scopes: rule.Scopes}
			if rule.Has != "" && value == rule.Has {
				return who, true
			}
			if tenant, ok := strings.CutPrefix(value, rule.Prefix); ok && rule.Prefix != "" && tenant != "" {
				who.Tenant = job.Tenant(tenant)
				if who.Role.check(who.Tenant) == nil {
					return who, true
				}
			}
		}
	}
	return Caller{}, false
}

func (r *ClaimRules) name(claims map[string]any) string {
	names := []string{"email", "preferred_username", "name"}
	if r.Name != "" {
		names = []string{r.Name}
	}
	for _, n := range names {
		if v := valuesAt(claims, n); len(v) > 0 && v[0] != "" {
			return bounded(printable(v[0]), 128)
		}
	}
	return ""
}

// valuesAt returns the texts of a claim: itself, or those of a list. A claim
// whose very name has dots is found before a path.
func valuesAt(claims map[string]any, path string) []string {
	var v any
	if direct, ok := claims[path]; ok {
		v = direct
	} else {
		v = claims
		for key := range strings.SplitSeq(path, ".") {
			m, _ := v.(map[string]any)
			v = m[key]
		}
	}
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, x := range v[:min(len(v), maxMembers)] {
			if s, ok := x.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}

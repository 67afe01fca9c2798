package httpapi

import (
	"slices"
	"strings"
	"time"

	"tianfu/fault"
	"tianfu/job"
)

// Role says what a caller may do at most.
type Role string

// The roles. An operator does everything; an auditor reads everything and
// changes nothing; a tenant admin works with the jobs of its tenant and makes
// its tokens; a tenant user works with the jobs of its tenant; a consumer calls
// data services and sees nothing else.
const (
	Operator    Role = "operator"
	Auditor     Role = "auditor"
	TenantAdmin Role = "tenant-admin"
	TenantUser  Role = "tenant-user"
	Consumer    Role = "consumer"
)

// Roles lists the roles, from the widest.
var Roles = []Role{Operator, Auditor, TenantAdmin, TenantUser, Consumer}

// ofTenant tells whether the role belongs to one tenant.
func (r Role) ofTenant() bool { return r == TenantAdmin || r == TenantUser || r == Consumer }

// check refuses a role that does not exist, or one without its tenant.
func (r Role) check(tenant job.Tenant) error {
	switch {
	case !slices.Contains(Roles, r):
		return fault.New(fault.Invalid, "role", quoted(string(r))+" is not a role", "use operator, auditor, tenant-admin, tenant-user or consumer")
	case r.ofTenant() && tenant == "":
		return fault.New(fault.Invalid, "tenant", "is missing", "a "+string(r)+" belongs to a tenant")
	case !r.ofTenant() && tenant != "":
		return fault.New(fault.Invalid, "tenant", "does not go with the role "+string(r), "leave it out")
	case len(tenant) > maxTenant || strings.ContainsFunc(string(tenant), unprintable):
		return fault.New(fault.Invalid, "tenant", "is longer than 128 bytes or holds a control character", "use a plain name")
	}
	return nil
}

// Scope narrows what a token may do below what its role may.
type Scope string

// The scopes. A token without any has all that its role has.
const (
	JobsRead     Scope = "jobs:read"
	JobsWrite    Scope = "jobs:write"
	NodesRead    Scope = "nodes:read"
	NodesWrite   Scope = "nodes:write"
	MetricsRead  Scope = "metrics:read"
	TokensRead   Scope = "tokens:read"
	TokensWrite  Scope = "tokens:write"
	AuditRead    Scope = "audit:read"
	UsageRead    Scope = "usage:read"
	CentreRead   Scope = "centre:read"
	CentreWrite  Scope = "centre:write"
	ServicesCall Scope = "services:call"
)

// Scopes lists the scopes.
var Scopes = []Scope{JobsRead, JobsWrite, NodesRead, NodesWrite, MetricsRead, TokensRead, TokensWrite, AuditRead, UsageRead, CentreRead, CentreWrite, ServicesCall}

func checkScopes(scopes []Scope) error {
	if len(scopes) > len(Scopes) {
		return fault.New(fault.Invalid, "scope", "is given more often than there are scopes", "")
	}
	for _, s := range scopes {
		if !slices.Contains(Scopes, s) {
			all := make([]string, len(Scopes))
			for i := range Scopes {
				all[i] = string(Scopes[i])
			}
			return fault.New(fault.Invalid, "scope", quoted(string(s))+" is not a scope", "use "+strings.Join(all, ", "))
		}
	}
	return nil
}

// rule says who may use a route.
type rule struct {
	roles []Role // none = everybody, without a token
	scope Scope  // what a narrowed token must carry; none = any
}

var (
	public    = rule{}
	anybody   = Roles
	readers   = []Role{Operator, Auditor, TenantAdmin, TenantUser}
	workers   = []Role{Operator, TenantAdmin, TenantUser}
	admins    = []Role{Operator, TenantAdmin}
	operators = []Role{Operator}
)

// access is the one table of who may use which route; a route that is not in it
// is closed to all. Which of the things behind a route a caller sees, its own
// or everybody's, is for Caller.maySee.
var access = map[string]rule{
	"GET /{$}":              public,
	"GET /healthz":          public,
	"GET /openapi.json":     public,
	"GET /openapi.yaml":     public,
	"GET /openapi-3.0.json": public,
	"GET /openapi-3.0.yaml": public,
	"GET /schemas/job.json": public,

	"GET /v1/login":                  public,
	"GET /v1/whoami":                 {anybody, ""},
	"POST /v1/jobs":                  {workers, JobsWrite},
	"GET /v1/jobs":                   {readers, JobsRead},
	"GET /v1/jobs/{id}":              {readers, JobsRead},
	"GET /v1/jobs/{id}/why":          {readers, JobsRead},
	"POST /v1/whatif":                {operators, CentreWrite},
	"GET /v1/whatif":                 {[]Role{Operator, Auditor}, CentreRead},
	"GET /v1/whatif/{id}":            {[]Role{Operator, Auditor}, CentreRead},
	"DELETE /v1/jobs/{id}":           {workers, JobsWrite},
	"GET /v1/jobs/{id}/logs":         {readers, JobsRead},
	"GET /v1/events":                 {readers, JobsRead},
	"GET /v1/nodes":                  {readers, NodesRead},
	"GET /v1/nodes/{name}":           {readers, NodesRead},
	"PUT /v1/nodes/{name}/state":     {operators, NodesWrite},
	"GET /v1/signals":                {readers, NodesRead},
	"GET /v1/plan":                   {readers, JobsRead},
	"GET /v1/budgets":                {readers, JobsRead},
	"GET /v1/queues":                 {readers, JobsRead},
	"GET /v1/queues/{name}":          {readers, JobsRead},
	"GET /v1/reservations":           {readers, JobsRead},
	"GET /v1/reservations/{name}":    {readers, JobsRead},
	"POST /v1/reservations":          {operators, CentreWrite},
	"DELETE /v1/reservations/{name}": {operators, CentreWrite},
	"GET /v1/meters":                 {[]Role{Operator, Auditor}, NodesRead},
	"GET /v1/tokens":                 {[]Role{Operator, Auditor, TenantAdmin}, TokensRead},
	"POST /v1/tokens":                {admins, TokensWrite},
	"DELETE /v1/tokens/{id}":         {admins, TokensWrite},
	"GET /v1/jobs/{id}/receipt":      {readers, UsageRead},
	"GET /v1/usage":                  {readers, UsageRead},
	"GET /v1/charges":                {readers, UsageRead},
	"GET /v1/audit":                  {[]Role{Operator, Auditor}, AuditRead},
	"GET /v1/datasets":               {readers, JobsRead},
	"GET /v1/world":                  {[]Role{Operator, Auditor}, CentreRead},
	"GET /v1/power":                  {[]Role{Operator, Auditor}, CentreRead},
	"POST /v1/caps":                  {operators, CentreWrite},
	"DELETE /v1/caps/{id}":           {operators, CentreWrite},
	"POST /v1/world/reload":          {operators, CentreWrite},
	"POST /v1/backup":                {operators, CentreWrite},
	"GET /metrics":                   {readers, MetricsRead},
}

// Caller is who makes a request, however they proved it.
type Caller struct {
	ID     string // of the token, or issuer and subject of an identity provider
	Name   string // for people; may be empty
	Role   Role
	Tenant job.Tenant // of the roles that belong to one
	Scopes []Scope    // none = all that the role has
	// Expires is when a token of ours ends; zero = never, or the provider says.
	Expires time.Time
}

// authorize decides whether a caller may use a route.
func (k *Caller) authorize(pattern string) error {
	r, known := access[pattern]
	switch {
	case !known:
		return fault.New(fault.Denied, pattern, "is open to nobody", "")
	case len(r.roles) == 0:
		return nil
	case !slices.Contains(r.roles, k.Role):
		return fault.New(fault.Denied, pattern, "is not for the role "+string(k.Role), "it takes: "+joined(r.roles))
	case r.scope != "" && len(k.Scopes) > 0 && !slices.Contains(k.Scopes, r.scope):
		return fault.New(fault.Denied, pattern, "needs the scope "+string(r.scope)+", which this token does not carry", "")
	}
	return nil
}

// mayWrite tells whether a caller may change things of a tenant.
func (k Caller) mayWrite(tenant job.Tenant) bool {
	return k.Role == Operator || (k.Role == TenantAdmin || k.Role == TenantUser) && k.Tenant == tenant
}

// maySee tells whether a caller may see things of a tenant.
func (k Caller) maySee(tenant job.Tenant) bool {
	return k.seesAll() || k.Role.ofTenant() && k.Tenant == tenant
}

// seesAll tells whether a caller may see things of every tenant.
func (k Caller) seesAll() bool { return k.Role == Operator || k.Role == Auditor }

func joined(roles []Role) string {
	words := make([]string, len(roles))
	for i, r := range roles {
		words[i] = string(r)
	}
	return strings.Join(words, ", ")
}

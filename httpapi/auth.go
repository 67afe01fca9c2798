package httpapi

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"tianfu/fault"
	"tianfu/job"
)

// Bounds of identities.
const (
	maxTokens     = 100_000
	maxOfTenant   = 10_000 // of these, so that no tenant's admin takes them all
	maxTenant     = 128
	maxCredential = 16 << 10 // a bearer header; tokens of providers that list groups are long
	maxLife       = 10 * 365 * 24 * time.Hour
)

// Token is a bearer token as it is kept: never itself, only its hash.
type Token struct {
	ID      string     `json:"id"`
	SHA256  string     `json:"sha256,omitempty"`
	Name    string     `json:"name,omitempty"`
	Role    Role       `json:"role"`
	Tenant  job.Tenant `json:"tenant,omitempty"`
	Scopes  []Scope    `json:"scopes,omitempty"` // none = all that the role has
	Created time.Time  `json:"created"`
	Expires time.Time  `json:"expires,omitzero"` // zero = never
	Revoked bool       `json:"revoked,omitempty"`
}

// Grant is what a new token is asked to be.
type Grant struct {
	Name   string // for people; at most 128 bytes
	Role   Role
	Tenant job.Tenant
	Scopes []Scope
	Life   time.Duration // 0 = until revoked
}

func (g *Grant) check() error {
	if err := g.Role.check(g.Tenant); err != nil {
		return err
	}
	if g.Life < 0 || g.Life > maxLife {
		return fault.New(fault.Invalid, "expires", g.Life.String()+" is not between nothing and ten years", "write it like 24h")
	}
	if len(g.Name) > 128 || strings.ContainsFunc(g.Name, unprintable) {
		return fault.New(fault.Invalid, "name", "is longer than 128 bytes or holds a control character", "use a plain name")
	}
	return checkScopes(g.Scopes)
}

// Tokens are the tokens of a centre.
type Tokens struct {
	mu     sync.RWMutex
	list   []Token
	byHash map[string]int // place in list
}

// ParseTokens reads what Encode wrote.
func ParseTokens(b []byte) (*Tokens, error) {
	t := &Tokens{}
	if err := json.Unmarshal(b, &t.list); err != nil {
		return nil, fault.New(fault.Invalid, "tokens", "cannot be read: "+err.Error(), "restore the file, or: tianfu token reset")
	}
	t.index()
	return t, nil
}

func (t *Tokens) index() {
	t.byHash = make(map[string]int, len(t.list))
	for i := range t.list {
		t.byHash[t.list[i].SHA256] = i
	}
}

// Encode renders the tokens for keeping; it holds no secret.
func (t *Tokens) Encode() ([]byte, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return json.MarshalIndent(t.list, "", "  ")
}

// List returns the tokens as they are kept.
func (t *Tokens) List() []Token {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return slices.Clone(t.list)
}

// Create makes a token and returns the secret, which is shown once.
func (t *Tokens) Create(g Grant, now time.Time) (secret string, made Token, err error) {
	if err := g.check(); err != nil {
		return "", made, err
	}
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return "", made, err
	}
	secret = "tf_" + base64.RawURLEncoding.EncodeToString(raw)
	made = Token{SHA256: hash(secret), Name: g.Name, Role: g.Role, Tenant: g.Tenant, Scopes: slices.Clone(g.Scopes), Created: now.UTC().Truncate(time.Second)}
	made.ID = made.SHA256[:12]
	if g.Life > 0 {
		made.Expires = made.Created.Add(g.Life)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.room(g.Tenant, now); err != nil {
		return "", made, err
	}
	t.list = append(t.list, made)
	t.index()
	return secret, made, nil
}

// kept is how long a token that has ended stays listed.
const kept = 30 * 24 * time.Hour

// room makes sure that there is room for one more token of a tenant. It forgets
// those that expired long ago, so that short-lived ones never fill the list, and
// revoked ones when they take the room of others.
func (t *Tokens) room(tenant job.Tenant, now time.Time) error {
	t.list = slices.DeleteFunc(t.list, func(k Token) bool { return !k.Expires.IsZero() && now.Sub(k.Expires) > kept })
	full := func() bool {
		n := 0
		for i := range t.list {
			if t.list[i].Tenant == tenant {
				n++
			}
		}
		return len(t.list) >= maxTokens || tenant != "" && n >= maxOfTenant
	}
	if !full() {
		return nil
	}
	t.list = slices.DeleteFunc(t.list, func(k Token) bool { return k.Revoked })
	t.index()
	if full() {
		return fault.New(fault.Exhausted, "tokens", "there are 100,000 already, or 10,000 of the tenant", "revoke some")
	}
	return nil
}

// Find returns a token by its ID.
func (t *Tokens) Find(id string) (Token, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for i := range t.list {
		if t.list[i].ID == id {
			return t.list[i], nil
		}
	}
	return Token{}, fault.New(fault.NotFound, "token "+quoted(id), "no such token", "see: tianfu token list")
}

// Revoke ends a token.
func (t *Tokens) Revoke(id string) error {
	if _, err := t.Find(id); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.list {
		if t.list[i].ID == id {
			t.list[i].Revoked = true
		}
	}
	return nil
}

// Replace takes over another list, as read from the file, and returns the
// tokens that are new in it and those that have ended.
func (t *Tokens) Replace(other *Tokens) (made, ended []Token) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range other.list {
		k := &other.list[i]
		old, known := t.byHash[k.SHA256]
		switch {
		case !known:
			made = append(made, *k)
		case k.Revoked && !t.list[old].Revoked:
			ended = append(ended, *k)
		}
	}
	for i := range t.list {
		if _, still := other.byHash[t.list[i].SHA256]; !still && !t.list[i].Revoked {
			ended = append(ended, t.list[i])
		}
	}
	t.list, t.byHash = other.list, other.byHash
	return made, ended
}

func hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// errNoToken does not say what was wrong with a token.
var errNoToken = fault.New(fault.Denied, "authorization", "the token is missing, unknown, expired or revoked", "send a valid one: Authorization: Bearer tf_...")

// identify finds whose token it is. The look-up is by the hash of what was sent,
// so its time tells nothing of a secret.
func (t *Tokens) identify(secret string, now time.Time) (Caller, error) {
	h := hash(secret)
	t.mu.RLock()
	defer t.mu.RUnlock()
	i, ok := t.byHash[h]
	if !ok {
		return Caller{}, errNoToken
	}
	k := &t.list[i]
	if k.Revoked || !k.Expires.IsZero() && !now.Before(k.Expires) {
		return Caller{}, errNoToken
	}
	return Caller{ID: k.ID, Name: k.Name, Role: k.Role, Tenant: k.Tenant, Scopes: k.Scopes, Expires: k.Expires}, nil
}

// bearer returns what an Authorization header carries.
func bearer(header string) (string, bool) {
	scheme, secret, ok := strings.Cut(header, " ")
	return secret, ok && strings.EqualFold(scheme, "Bearer") && secret != "" && len(secret) <= maxCredential
}

type identityKey struct{}

func withIdentity(ctx context.Context, k Caller) context.Context {
	return context.WithValue(ctx, identityKey{}, k)
}

func identity(ctx context.Context) Caller {
	k, _ := ctx.Value(identityKey{}).(Caller)
	return k
}

// quoted renders foreign text for a message, bounded.
func quoted(s string) string { return strconv.Quote(s[:min(len(s), 64)]) }

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

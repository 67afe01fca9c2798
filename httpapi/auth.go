package httpapi

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"tianfu/fault"
	"tianfu/job"
)

// Role says what a token may do.
type Role string

// The roles. An operator does everything; an auditor reads everything; a tenant
// user works with the jobs of its tenant and sees others only as load.
const (
	Operator   Role = "operator"
	Auditor    Role = "auditor"
	TenantUser Role = "tenant-user"
)

// Token is a bearer token as it is kept: never itself, only its hash.
type Token struct {
	ID      string     `json:"id"`
	SHA256  string     `json:"sha256"`
	Role    Role       `json:"role"`
	Tenant  job.Tenant `json:"tenant,omitempty"`
	Created time.Time  `json:"created"`
	Expires time.Time  `json:"expires,omitzero"` // zero = never
	Revoked bool       `json:"revoked,omitempty"`
}

// Tokens are the tokens of a centre.
type Tokens struct {
	mu   sync.RWMutex
	list []Token
}

// maxTokens bounds the list.
const maxTokens = 100_000

// ParseTokens reads what Encode wrote.
func ParseTokens(b []byte) (*Tokens, error) {
	t := &Tokens{}
	if err := json.Unmarshal(b, &t.list); err != nil {
		return nil, fault.New(fault.Invalid, "tokens", "cannot be read: "+err.Error(), "restore the file, or: tianfu token reset")
	}
	return t, nil
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
func (t *Tokens) Create(role Role, tenant job.Tenant, now time.Time, life time.Duration) (secret string, made Token, err error) {
	switch {
	case role != Operator && role != Auditor && role != TenantUser:
		return "", made, fault.New(fault.Invalid, "role", string(role)+" is not a role", "use operator, auditor or tenant-user")
	case role == TenantUser && tenant == "":
		return "", made, fault.New(fault.Invalid, "tenant", "is missing", "a tenant user belongs to a tenant")
	case life < 0:
		return "", made, fault.New(fault.Invalid, "expires", "lies in the past", "")
	}
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return "", made, err
	}
	secret = "tf_" + base64.RawURLEncoding.EncodeToString(raw)
	made = Token{SHA256: hash(secret), Role: role, Tenant: tenant, Created: now.UTC().Truncate(time.Second)}
	made.ID = made.SHA256[:12]
	if life > 0 {
		made.Expires = made.Created.Add(life)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.list) >= maxTokens {
		return "", made, fault.New(fault.Exhausted, "tokens", "there are 100,000 already", "revoke some")
	}
	t.list = append(t.list, made)
	return secret, made, nil
}

// Revoke ends a token.
func (t *Tokens) Revoke(id string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.list {
		if t.list[i].ID == id {
			t.list[i].Revoked = true
			return nil
		}
	}
	return fault.New(fault.NotFound, "token "+id, "no such token", "see: tianfu token list")
}

// Replace takes over another list, as read from the file.
func (t *Tokens) Replace(other *Tokens) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.list = other.list
}

func hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// identify finds whose token a header carries. The message does not say what
// was wrong with it.
func (t *Tokens) identify(header string, now time.Time) (Token, error) {
	denied := fault.New(fault.Denied, "authorization", "no valid token", "send one: Authorization: Bearer tf_...")
	secret, ok := strings.CutPrefix(header, "Bearer ")
	if !ok || len(secret) > 256 {
		return Token{}, denied
	}
	h := hash(secret)
	t.mu.RLock()
	defer t.mu.RUnlock()
	for i := range t.list {
		k := &t.list[i]
		if subtle.ConstantTimeCompare([]byte(k.SHA256), []byte(h)) == 1 {
			if k.Revoked || !k.Expires.IsZero() && now.After(k.Expires) {
				return Token{}, denied
			}
			return *k, nil
		}
	}
	return Token{}, denied
}

type identityKey struct{}

func withIdentity(ctx context.Context, t Token) context.Context {
	return context.WithValue(ctx, identityKey{}, t)
}

func identity(ctx context.Context) Token {
	t, _ := ctx.Value(identityKey{}).(Token)
	return t
}

// mayWrite tells whether a token may change things of a tenant.
func (t Token) mayWrite(tenant job.Tenant) bool {
	return t.Role == Operator || t.Role == TenantUser && t.Tenant == tenant
}

// maySee tells whether a token may see things of a tenant.
func (t Token) maySee(tenant job.Tenant) bool {
	return t.Role == Operator || t.Role == Auditor || t.Tenant == tenant
}

func operatorOnly(t Token, what string) error {
	if t.Role != Operator {
		return fault.New(fault.Denied, what, "is for operators", "use an operator's token")
	}
	return nil
}

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/crypto"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"tianfu/fault"
	"tianfu/httpapi"
)

// identityProvider is a real OpenID Connect provider: the example server of the
// library, with its pages, a person and a public client.
type identityProvider struct {
	*storage.Storage
	issuer   string
	lifetime atomic.Int64 // of ID tokens, in seconds
	renewed  atomic.Int64 // tokens made from refresh tokens
	away     func()
}

const (
	clientID     = "tianfu-cli"
	passwordHere = "verysecure" // the example's
)

func startProvider(t *testing.T) *identityProvider {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &identityProvider{issuer: "http://" + l.Addr().String()}
	p.lifetime.Store(3600)
	p.Storage = storage.NewStorageWithClients(storage.NewUserStore(p.issuer), map[string]*storage.Client{clientID: storage.NativeClient(clientID, "http://127.0.0.1/callback")})
	s := httptest.NewUnstartedServer(exampleop.SetupServer(p.issuer, p, nil, false))
	s.Listener.Close()
	s.Listener = l
	s.Start()
	p.away = s.Close
	t.Cleanup(s.Close)
	return p
}

func (p *identityProvider) user() string { return "test-user@127.0.0.1" }

// GetClientByClientID lets the example's native client use the device flow too.
func (p *identityProvider) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	c, err := p.Storage.GetClientByClientID(ctx, id)
	return publicClient{c, p}, err
}

type publicClient struct {
	op.Client
	at *identityProvider
}

func (c publicClient) GrantTypes() []oidc.GrantType {
	return []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken, oidc.GrantTypeDeviceCode}
}
func (c publicClient) IDTokenUserinfoClaimsAssertion() bool { return true }
func (c publicClient) IDTokenLifetime() time.Duration {
	return time.Duration(c.at.lifetime.Load()) * time.Second
}

// SetUserinfoFromRequest puts groups into ID tokens, as providers of companies do.
func (p *identityProvider) SetUserinfoFromRequest(_ context.Context, info *oidc.UserInfo, r op.IDTokenRequest, _ []string) error {
	info.Subject, info.Email = r.GetSubject(), "mei@example.org"
	info.AppendClaims("groups", []string{"everybody", "tianfu-city-brain"})
	return nil
}

// TokenRequestByRefreshToken counts.
func (p *identityProvider) TokenRequestByRefreshToken(ctx context.Context, token string) (op.RefreshTokenRequest, error) {
	p.renewed.Add(1)
	return p.Storage.TokenRequestByRefreshToken(ctx, token)
}

// sign makes a token with the provider's own key, or that of another.
func (p *identityProvider) sign(t *testing.T, claims map[string]any) string {
	t.Helper()
	key, err := p.SigningKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	signer, err := op.SignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	out, err := crypto.Sign(claims, signer)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

const claimRules = `# who people are here
rules:
  - {claim: groups, has: tianfu-operators, role: operator}
  - {claim: realm_access.roles, has: auditor, role: auditor}
  - {claim: groups, prefix: tianfu-, role: tenant-user}
`

// oidcServer is a centre that believes a provider.
func oidcServer(t *testing.T, p *identityProvider) *server {
	t.Helper()
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("TIANFU_TOKEN", "")
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(rules, []byte(claimRules), 0o600); err != nil {
		t.Fatal(err)
	}
	return startServer(t, "--oidc-issuer", p.issuer, "--oidc-client", clientID, "--oidc-rules", rules)
}

// browse runs a command and hands the first line of stderr that matches to what a
// person does in a browser meanwhile.
func browse(t *testing.T, line string, person func(*http.Client, []string), args ...string) (int, string) {
	t.Helper()
	r, w := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- (&program{out: io.Discard, err: w}).Run(t.Context(), args)
		w.Close()
	}()
	jar, _ := cookiejar.New(nil)
	pattern, seen := regexp.MustCompile(line), ""
	for sc := bufio.NewScanner(r); sc.Scan(); {
		seen += sc.Text() + "\n"
		if m := pattern.FindStringSubmatch(sc.Text()); m != nil {
			person(&http.Client{Jar: jar, Timeout: time.Minute}, m)
		}
	}
	return <-code, seen
}

func get(t *testing.T, c *http.Client, address string) (string, string) {
	t.Helper()
	reply, err := c.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	text, _ := io.ReadAll(reply.Body)
	return reply.Request.URL.String(), string(text)
}

func post(t *testing.T, c *http.Client, address string, form url.Values) string {
	t.Helper()
	reply, err := c.PostForm(address, form)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	text, _ := io.ReadAll(reply.Body)
	return string(text)
}

func TestLoginWithABrowserHere(t *testing.T) {
	p := startProvider(t)
	s := oidcServer(t, p)
	at := "http://" + s.address
	p.lifetime.Store(30) // less than renewBefore: every command renews it
	code, seen := browse(t, `^open (http\S+)$`, func(c *http.Client, m []string) {
		if !strings.Contains(m[1], "code_challenge_method=S256") {
			t.Errorf("no PKCE: %s", m[1])
		}
		page, _ := get(t, c, m[1])
		u, _ := url.Parse(page)
		text := post(t, c, p.issuer+"/login/username", url.Values{"id": {u.Query().Get("authRequestID")}, "username": {p.user()}, "password": {passwordHere}})
		if !strings.Contains(text, "You are logged in") {
			t.Errorf("the browser shows %q", text)
		}
	}, "login", "--server", at)
	if code != 0 || !strings.Contains(seen, "as mei@example.org, tenant-user of city-brain") {
		t.Fatalf("%d %s", code, seen)
	}
	name := filepath.Join(os.Getenv("XDG_CONFIG_HOME"), "tianfu", "login.json")
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	for i := range int64(2) {
		code, out, errs := execute("whoami", "--server", at+"/", "-o", "json")
		var who map[string]any
		if code != 0 || json.Unmarshal([]byte(out), &who) != nil || who["tenant"] != "city-brain" || who["id"] != "oidc:id1" || p.renewed.Load() != i+1 {
			t.Fatalf("%d %s %s, renewed %d times", code, out, errs, p.renewed.Load())
		}
	}
	if code, _, errs := execute("token", "list", "--server", at); code != fault.Denied.ExitCode() {
		t.Errorf("a tenant's user lists tokens: %d %s", code, errs)
	}
	text, _ := os.ReadFile(name)
	if code, _, errs := execute("logout", "--server", at); code != 0 || strings.Contains(errs, "warning") {
		t.Errorf("logout: %d %s", code, errs)
	}
	if code, _, _ := execute("whoami", "--server", at); code != fault.Denied.ExitCode() {
		t.Errorf("after logout: %d", code)
	}
	// The refresh token is worth nothing any more, even to who kept it.
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := execute("whoami", "--server", at); code != fault.Denied.ExitCode() || !strings.Contains(errs, "does not renew it") {
		t.Errorf("a login that was given back: %d %s", code, errs)
	}
}

func TestLoginWithABrowserElsewhere(t *testing.T) {
	p := startProvider(t)
	s := oidcServer(t, p)
	at := "http://" + s.address
	person := func(action string) func(*http.Client, []string) {
		return func(c *http.Client, m []string) {
			post(t, c, p.issuer+"/device/login", url.Values{"user_code": {m[2]}, "username": {p.user()}, "password": {passwordHere}})
			get(t, c, p.issuer+"/device/confirm?action="+action)
		}
	}
	code, seen := browse(t, `^open (http\S+) and type in (\S+)$`, person("denied"), "login", "--device", "--server", at)
	if code != fault.Denied.ExitCode() || !strings.Contains(seen, "access_denied") {
		t.Errorf("who was denied: %d %s", code, seen)
	}
	code, seen = browse(t, `^open (http\S+) and type in (\S+)$`, person("allowed"), "login", "--device", "--server", at)
	if code != 0 || !strings.Contains(seen, "tenant-user of city-brain") {
		t.Fatalf("%d %s", code, seen)
	}
	if code, out, errs := execute("job", "list", "--server", at); code != 0 {
		t.Errorf("%d %s %s", code, out, errs)
	}
	// The rules are read again with the world; rules that say nothing refuse it.
	rules := s.args[len(s.args)-1]
	for _, step := range []struct {
		rules, want string
		code        int
	}{
		{strings.Replace(claimRules, "has: tianfu-operators", "has: tianfu-city-brain", 1), "rules for people of the identity provider are changed", 0},
		{"rules: []\n", "0 rules", 2},
	} {
		if err := os.WriteFile(rules, []byte(step.rules), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("TIANFU_TOKEN", s.token)
		if code, out, errs := execute("world", "reload", "--server", at); code != step.code || !strings.Contains(out+errs, step.want) {
			t.Errorf("%d %s %s", code, out, errs)
		}
		t.Setenv("TIANFU_TOKEN", "")
		if code, out, errs := execute("whoami", "--server", at, "-o", "json"); code != 0 || !strings.Contains(out, `"operator"`) {
			t.Errorf("after the rules changed: %d %s %s", code, out, errs)
		}
	}
}

func TestProviderTokens(t *testing.T) {
	p, other := startProvider(t), startProvider(t)
	s := oidcServer(t, p)
	now := time.Now().Unix()
	claims := func(change ...any) map[string]any {
		m := map[string]any{"iss": p.issuer, "sub": "u1", "aud": clientID, "exp": now + 600, "iat": now, "groups": []string{"tianfu-operators"}}
		for i := 0; i < len(change); i += 2 {
			if m[change[i].(string)] = change[i+1]; change[i+1] == nil {
				delete(m, change[i].(string))
			}
		}
		return m
	}
	good := p.sign(t, claims())
	unsigned := "eyJhbGciOiJub25lIn0." + strings.Split(good, ".")[1] + "."
	for name, c := range map[string]struct {
		token string
		want  int
	}{
		"an operator":               {good, 200},
		"an auditor, by a path":     {p.sign(t, claims("groups", nil, "realm_access", map[string]any{"roles": []string{"auditor"}})), 200},
		"several audiences":         {p.sign(t, claims("aud", []string{"x", clientID})), 200},
		"nobody here":               {p.sign(t, claims("groups", []string{"others"})), 403},
		"a prefix without a tenant": {p.sign(t, claims("groups", "tianfu-")), 403},
		"made for another":          {p.sign(t, claims("aud", "other")), 401},
		"of another issuer":         {p.sign(t, claims("iss", other.issuer)), 401},
		"signed by another":         {other.sign(t, claims()), 401},
		"expired":                   {p.sign(t, claims("exp", now-120)), 401},
		"not yet":                   {p.sign(t, claims("nbf", now+3600)), 401},
		"without an end":            {p.sign(t, claims("exp", nil)), 401},
		"of nobody":                 {p.sign(t, claims("sub", nil)), 401},
		"of a logout":               {p.sign(t, claims("events", map[string]any{})), 401},
		"not signed":                {unsigned, 401},
		"changed":                   {good[:len(good)-8] + "AAAAAAAA", 401},
		"three dots":                {"a.b.c", 401},
		"ours still":                {s.token, 200},
	} {
		r, err := http.NewRequest(http.MethodGet, "http://"+s.address+"/v1/whoami", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+c.token)
		reply, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		reply.Body.Close()
		if reply.StatusCode != c.want {
			t.Errorf("%s: %d, want %d", name, reply.StatusCode, c.want)
		}
	}
}

func TestProviderThatIsAway(t *testing.T) {
	p := startProvider(t)
	away := &identityProvider{issuer: "http://127.0.0.1:1", Storage: p.Storage}
	s := oidcServer(t, away)
	c := s.client()
	if _, err := c.WhoAmI(t.Context()); err != nil {
		t.Errorf("our own tokens need no provider: %v", err)
	}
	c.Token = p.sign(t, map[string]any{"iss": away.issuer, "sub": "u", "aud": clientID, "exp": time.Now().Unix() + 60})
	if _, err := c.WhoAmI(t.Context()); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("%v", err)
	}
	if code, _, errs := execute("login", "--server", "http://"+s.address); code != fault.Unavailable.ExitCode() {
		t.Errorf("%d %s", code, errs)
	}
}

// TestProviderThatGoesAway: tokens with the keys that it had go on working; one with
// a key that it may have since is neither believed nor called wrong.
func TestProviderThatGoesAway(t *testing.T) {
	p, later := startProvider(t), startProvider(t)
	s := oidcServer(t, p)
	claims := map[string]any{"iss": p.issuer, "sub": "u", "aud": clientID, "exp": time.Now().Unix() + 600, "groups": []string{"tianfu-operators"}}
	c := s.client()
	c.Token = p.sign(t, claims)
	for range 2 {
		if _, err := c.WhoAmI(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.away()
	}
	c.Token = later.sign(t, claims)
	_, err := c.WhoAmI(t.Context())
	for range 20 { // the keys fetched first may have come this instant: then they are what is known
		if err == nil || fault.KindOf(err) == fault.Unavailable {
			break
		}
		time.Sleep(20 * time.Millisecond)
		_, err = c.WhoAmI(t.Context())
	}
	if err == nil || fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a new key while the provider is away: %v", err)
	}
}

func TestProviderFlags(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		"":                                    "0 rules",
		"rules: [{claim: g, has: x}]":         "is not a role",
		"rules: [{role: operator, has: x}]":   "names no claim",
		"rules: [{claim: g, role: operator}]": "either has: or prefix:",
		"rules: [{claim: g, has: x, role: tenant-user}]":                    "tenant: is missing",
		"rules: [{claim: g, prefix: x, role: operator}]":                    "what follows it is the tenant",
		"rules: [{claim: g, has: x, role: operator, scopes: [everything]}]": "is not a scope",
		"rules: [{claim: g, has: x, role: operator, colour: red}]":          "colour",
	} {
		name := filepath.Join(dir, "rules.yaml")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		code, _, errs := execute("serve", "--data", filepath.Join(dir, "data"), "--oidc-issuer", "https://login.example.org", "--oidc-client", "c", "--oidc-rules", name)
		if code != 2 || !strings.Contains(errs, want) {
			t.Errorf("%s: %d %s, want %q", text, code, errs, want)
		}
	}
	if _, err := httpapi.NewProvider(httpapi.ProviderOptions{Issuer: "http://login.example.org", Client: "c"}); err == nil || !strings.Contains(err.Error(), "not https") {
		t.Errorf("%v", err)
	}
	if code, _, errs := execute("serve", "--data", dir, "--oidc-client", "c"); code != 2 {
		t.Errorf("%d %s", code, errs)
	}
}

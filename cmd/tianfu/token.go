package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tianfu/fault"
	"tianfu/httpapi"
	"tianfu/job"
)

// tokenPlace is where the token commands work: on the files of a centre, or
// through the API of a running one.
type tokenPlace struct {
	data string
	remote
}

func (p *program) token() *cobra.Command {
	at := &tokenPlace{}
	c := &cobra.Command{Use: "token", Short: "Make, list and revoke tokens of a centre", Args: cobra.NoArgs,
		Long: `Make, list and revoke tokens. With --data they are changed where the centre keeps them, whether it runs or
not; without, through the API of the running centre, with the rights of your own token.`,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.PersistentFlags().StringVar(&at.data, "data", "", "data directory of the centre (default: use the API)")
	at.register(c)
	c.AddCommand(p.tokenCreate(at), p.tokenList(at), p.tokenRevoke(at), p.tokenReset(at))
	return c
}

func (p *program) tokenCreate(at *tokenPlace) *cobra.Command {
	var b httpapi.TokenBody
	var life time.Duration
	c := &cobra.Command{
		Use: "create", Short: "Make a token and print it once", Args: cobra.NoArgs,
		Example: `  tianfu token create --data /var/lib/tianfu --role tenant-admin --tenant city-brain --expires 720h
  tianfu token create --role tenant-user --tenant city-brain --scope jobs:read --scope metrics:read`,
		RunE: func(c *cobra.Command, _ []string) error {
			made, err := p.createToken(c.Context(), at, b, life)
			if err != nil {
				return err
			}
			out := &table{header: []string{"ID", "ROLE", "TENANT", "EXPIRES", "TOKEN"}}
			out.add(made.Token.ID, string(made.Token.Role), string(made.Token.Tenant), expiry(&made.Token), made.Secret)
			return p.print(map[string]any{"id": made.Token.ID, "role": made.Token.Role, "tenant": made.Token.Tenant, "scopes": made.Token.Scopes,
				"expires": expiry(&made.Token), "token": made.Secret}, out)
		},
	}
	f := c.Flags()
	f.StringVar(&b.Name, "name", "", "a name for people")
	f.StringVar(&b.Role, "role", "tenant-user", "operator, auditor, tenant-admin, tenant-user or consumer")
	f.StringVar(&b.Tenant, "tenant", "", "tenant that the token belongs to")
	f.StringArrayVar(&b.Scopes, "scope", nil, "narrow it to this, like jobs:read (repeatable; default: all of its role)")
	f.DurationVar(&life, "expires", 0, "how long it is valid, like 24h; 0 = until revoked")
	return c
}

func (p *program) createToken(ctx context.Context, at *tokenPlace, b httpapi.TokenBody, life time.Duration) (*httpapi.TokenMade, error) {
	made := &httpapi.TokenMade{}
	if at.data == "" {
		if life != 0 {
			b.Expires = life.String()
		}
		c, err := at.client()
		if err != nil {
			return nil, err
		}
		return c.CreateToken(ctx, &b)
	}
	g := httpapi.Grant{Name: b.Name, Role: httpapi.Role(b.Role), Tenant: job.Tenant(b.Tenant), Life: life}
	for _, s := range b.Scopes {
		g.Scopes = append(g.Scopes, httpapi.Scope(s))
	}
	if err := declaredIn(at.data, g.Tenant); err != nil {
		return nil, err
	}
	_, err := changeTokens(at.data, func(t *httpapi.Tokens) (err error) {
		made.Secret, made.Token, err = t.Create(g, time.Now())
		return err
	})
	return made, err
}

// declaredIn refuses a tenant that the world of a data directory does not declare. A
// centre with its world elsewhere, or with one that cannot be read, has its tokens all
// the same.
func declaredIn(data string, t job.Tenant) error {
	w, _, err := parseWorldFile(filepath.Join(data, "world.yaml"))
	if err != nil || t == "" {
		return nil
	}
	return job.QueueingOf(w).Declared(t)
}

func expiry(t *httpapi.Token) string {
	if t.Expires.IsZero() {
		return "never"
	}
	return t.Expires.Format(time.RFC3339)
}

func (p *program) tokenList(at *tokenPlace) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List tokens; the tokens themselves are not kept", Args: cobra.NoArgs,
		Example: "  tianfu token list\n  tianfu token list --data /var/lib/tianfu",
		RunE: func(c *cobra.Command, _ []string) error {
			list, err := at.list(c.Context())
			if err != nil {
				return err
			}
			out := &table{header: []string{"ID", "NAME", "ROLE", "TENANT", "SCOPES", "CREATED", "EXPIRES", "REVOKED"}}
			for i := range list {
				x := &list[i]
				x.SHA256 = ""
				scopes := make([]string, len(x.Scopes))
				for k := range scopes {
					scopes[k] = string(x.Scopes[k])
				}
				out.add(x.ID, x.Name, string(x.Role), string(x.Tenant), strings.Join(scopes, " "), x.Created.Format(time.RFC3339), expiry(x), fmt.Sprint(x.Revoked))
			}
			return p.print(slices.Concat([]httpapi.Token{}, list), out)
		},
	}
}

func (at *tokenPlace) list(ctx context.Context) ([]httpapi.Token, error) {
	if at.data != "" {
		t, err := readTokens(at.data)
		if err != nil {
			return nil, err
		}
		return t.List(), nil
	}
	c, err := at.client()
	if err != nil {
		return nil, err
	}
	return c.Tokens(ctx)
}

func (p *program) tokenRevoke(at *tokenPlace) *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID", Short: "End a token; the running centre heeds it within seconds", Args: cobra.ExactArgs(1),
		Example: "  tianfu token revoke c6cef1a9a4d7",
		RunE: func(c *cobra.Command, args []string) error {
			if at.data != "" {
				_, err := changeTokens(at.data, func(t *httpapi.Tokens) error { return t.Revoke(args[0]) })
				return err
			}
			client, err := at.client()
			if err != nil {
				return err
			}
			return client.RevokeToken(c.Context(), args[0])
		},
	}
}

func (p *program) tokenReset(at *tokenPlace) *cobra.Command {
	return &cobra.Command{
		Use: "reset", Short: "Revoke every token and make a new operator's one", Args: cobra.NoArgs,
		Example: "  tianfu token reset --data /var/lib/tianfu",
		RunE: func(*cobra.Command, []string) error {
			if at.data == "" {
				return fault.New(fault.Invalid, "--data", "is missing", "reset works on the data directory: whoever may write it may reset")
			}
			if _, err := os.Stat(at.data); err != nil {
				return fault.New(fault.NotFound, at.data, "is not there", "give the data directory of a centre")
			}
			secret, err := resetTokens(at.data)
			if err == nil {
				fmt.Fprintf(p.err, "operator token, shown this once:\n%s\n", secret)
			}
			return err
		},
	}
}

func tokenFile(data string) string { return filepath.Join(data, "tokens.json") }

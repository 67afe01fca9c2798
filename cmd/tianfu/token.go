package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"tianfu/fault"
	"tianfu/httpapi"
	"tianfu/job"
)

func (p *program) token() *cobra.Command {
	var data string
	c := &cobra.Command{Use: "token", Short: "Make, list and revoke tokens of a centre", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.PersistentFlags().StringVar(&data, "data", "", "data directory of the centre")
	c.MarkPersistentFlagRequired("data")
	c.AddCommand(p.tokenCreate(&data), p.tokenList(&data), p.tokenRevoke(&data), p.tokenReset(&data))
	return c
}

func tokenFile(data string) string { return filepath.Join(data, "tokens.json") }

// tokens reads the tokens of a data directory. With first, an operator's token
// is made and printed when there is none yet.
func (p *program) tokens(data string, first bool) (*httpapi.Tokens, error) {
	text, err := readBounded(tokenFile(data), 64<<20)
	if err == nil {
		return httpapi.ParseTokens(text)
	}
	if _, statErr := os.Stat(tokenFile(data)); !errors.Is(statErr, os.ErrNotExist) || !first {
		return nil, err
	}
	t := &httpapi.Tokens{}
	secret, _, err := t.Create(httpapi.Operator, "", time.Now(), 0)
	if err != nil {
		return nil, err
	}
	if err := saveTokens(data, t); err != nil {
		return nil, err
	}
	fmt.Fprintf(p.err, "operator token, shown this once:\n%s\n", secret)
	return t, nil
}

func saveTokens(data string, t *httpapi.Tokens) error {
	text, err := t.Encode()
	if err != nil {
		return err
	}
	return writeFile(tokenFile(data), func(w writer) error { _, err := w.Write(text); return err })
}

func (p *program) tokenCreate(data *string) *cobra.Command {
	var role, tenant string
	var life time.Duration
	c := &cobra.Command{
		Use: "create", Short: "Make a token and print it once", Args: cobra.NoArgs,
		Example: "  tianfu token create --data /var/lib/tianfu --role tenant-user --tenant city-brain --expires 720h",
		RunE: func(*cobra.Command, []string) error {
			t, err := p.tokens(*data, false)
			if err != nil {
				return err
			}
			secret, made, err := t.Create(httpapi.Role(role), job.Tenant(tenant), time.Now(), life)
			if err != nil {
				return err
			}
			if err := saveTokens(*data, t); err != nil {
				return err
			}
			out := &table{header: []string{"ID", "ROLE", "TENANT", "TOKEN"}}
			out.add(made.ID, string(made.Role), string(made.Tenant), secret)
			return p.print(map[string]string{"id": made.ID, "role": role, "tenant": tenant, "token": secret}, out)
		},
	}
	c.Flags().StringVar(&role, "role", "tenant-user", "operator, auditor or tenant-user")
	c.Flags().StringVar(&tenant, "tenant", "", "tenant that the token belongs to")
	c.Flags().DurationVar(&life, "expires", 0, "how long it is valid, like 720h; 0 = until revoked")
	return c
}

func (p *program) tokenList(data *string) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List tokens; the tokens themselves are not kept", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			t, err := p.tokens(*data, false)
			if err != nil {
				return err
			}
			list := t.List()
			out := &table{header: []string{"ID", "ROLE", "TENANT", "CREATED", "EXPIRES", "REVOKED"}}
			for i := range list {
				x := &list[i]
				x.SHA256 = ""
				expires := "never"
				if !x.Expires.IsZero() {
					expires = x.Expires.Format(time.RFC3339)
				}
				out.add(x.ID, string(x.Role), string(x.Tenant), x.Created.Format(time.RFC3339), expires, fmt.Sprint(x.Revoked))
			}
			return p.print(list, out)
		},
	}
}

func (p *program) tokenRevoke(data *string) *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID", Short: "End a token; the running centre heeds it within seconds", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			t, err := p.tokens(*data, false)
			if err != nil {
				return err
			}
			if err := t.Revoke(args[0]); err != nil {
				return err
			}
			return saveTokens(*data, t)
		},
	}
}

func (p *program) tokenReset(data *string) *cobra.Command {
	return &cobra.Command{
		Use: "reset", Short: "Revoke every token and make a new operator's one", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if _, err := os.Stat(*data); err != nil {
				return fault.New(fault.NotFound, *data, "is not there", "give the data directory of a centre")
			}
			t, err := p.tokens(*data, false)
			if err != nil {
				t = &httpapi.Tokens{} // an unreadable file is what reset is for
			}
			for _, x := range t.List() {
				t.Revoke(x.ID)
			}
			secret, _, err := t.Create(httpapi.Operator, "", time.Now(), 0)
			if err != nil {
				return err
			}
			if err := saveTokens(*data, t); err != nil {
				return err
			}
			fmt.Fprintf(p.err, "operator token, shown this once:\n%s\n", secret)
			return nil
		},
	}
}

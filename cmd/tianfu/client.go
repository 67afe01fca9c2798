package main

import (
	"context"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"tianfu/fault"
	"tianfu/httpapi"
)

// remote are the flags of commands that speak to a running centre.
type remote struct {
	server, context, tokenFile string
	found                      *centreContext // once it was looked for
}

func (r *remote) register(c *cobra.Command) {
	c.PersistentFlags().StringVar(&r.server, "server", "", "address of the centre (default: TIANFU_SERVER, then your context, then "+defaultServer+")")
	c.PersistentFlags().StringVar(&r.context, "context", "", "one of your contexts (default: TIANFU_CONTEXT, then the current one; see tianfu context)")
	c.PersistentFlags().StringVar(&r.tokenFile, "token-file", "", "file with the token (default: the variable TIANFU_TOKEN, then that of your context, then your login, then tianfu/token in your configuration directory)")
	c.RegisterFlagCompletionFunc("context", completeContexts)
}

// resolve finds out which centre is meant.
func (r *remote) resolve() (centreContext, error) {
	if r.found != nil {
		return *r.found, nil
	}
	k, _, err := inForce(r.server, r.context)
	if err == nil {
		r.server, r.found = k.Server, &k
	}
	return k, err
}

// client finds the centre and the token: a flag, the environment, the context's
// file, a login, then the user's file. That is for centres without a context: the
// token of one centre is never shown to another.
func (r *remote) client() (*httpapi.Client, error) {
	k, err := r.resolve()
	if err != nil {
		return nil, err
	}
	c := &httpapi.Client{Base: r.server}
	file := r.tokenFile
	if file == "" {
		if c.Token = strings.TrimSpace(os.Getenv("TIANFU_TOKEN")); c.Token != "" {
			return c, nil
		}
		file = k.TokenFile
	}
	if file == "" {
		if c.Token, err = loginToken(context.Background(), r.server); err != nil || c.Token != "" {
			c.Renew = func(ctx context.Context) (string, error) { return loginToken(ctx, r.server) }
			return c, err
		}
		if k.Name != "" {
			return nil, fault.New(fault.Denied, "context "+k.Name, "has no token, and you are not logged in there", "log in: tianfu login --context "+k.Name+"; or give the context a --token-file")
		}
		if file, err = keptFile("token", "token"); err != nil {
			return c, nil
		}
		if _, err := os.Stat(file); err != nil {
			return nil, fault.New(fault.Denied, "token", "none was found", "log in with tianfu login, set TIANFU_TOKEN to the token that tianfu serve printed, or write it to "+file)
		}
	}
	text, err := readBounded(file, 4096)
	if err != nil {
		return nil, err
	}
	c.Token = strings.TrimSpace(string(text))
	return c, nil
}

// asking makes the body of a command that asks a running centre.
func (p *program) asking(r *remote, f func(c *cobra.Command, client *httpapi.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		client, err := r.client()
		if err != nil {
			return err
		}
		return f(c, client, args)
	}
}

package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"tianfu/fault"
	"tianfu/httpapi"
)

// remote are the flags of commands that speak to a running centre.
type remote struct{ server, tokenFile string }

func (r *remote) register(c *cobra.Command) {
	c.PersistentFlags().StringVar(&r.server, "server", "http://127.0.0.1:8420", "address of the centre")
	c.PersistentFlags().StringVar(&r.tokenFile, "token-file", "", "file with the token (default: the variable TIANFU_TOKEN, then your login, then tianfu/token in your configuration directory)")
}

// client finds the token: a flag, the environment, a login, then the user's file.
func (r *remote) client() (*httpapi.Client, error) {
	c := &httpapi.Client{Base: r.server}
	if r.tokenFile == "" {
		if c.Token = strings.TrimSpace(os.Getenv("TIANFU_TOKEN")); c.Token != "" {
			return c, nil
		}
		dir, err := os.UserConfigDir()
		if err != nil {
			return c, nil
		}
		if c.Token, err = loginToken(context.Background(), r.server); err != nil || c.Token != "" {
			return c, err
		}
		file := filepath.Join(dir, "tianfu", "token")
		if _, err := os.Stat(file); err != nil {
			return nil, fault.New(fault.Denied, "token", "none was found", "log in with tianfu login, set TIANFU_TOKEN to the token that tianfu serve printed, or write it to "+file)
		}
		r.tokenFile = file
	}
	text, err := readBounded(r.tokenFile, 4096)
	if err != nil {
		return nil, err
	}
	c.Token = strings.TrimSpace(string(text))
	return c, nil
}

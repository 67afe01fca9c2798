package main

import (
	"strings"

	"github.com/spf13/cobra"
)

func (p *program) whoami() *cobra.Command {
	r := &remote{}
	c := &cobra.Command{
		Use: "whoami", Short: "Say who the centre takes you for", Args: cobra.NoArgs, Example: "  tianfu whoami",
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			who, err := client.WhoAmI(c.Context())
			if err != nil {
				return err
			}
			t := &table{header: []string{"ID", "NAME", "ROLE", "TENANT", "SCOPES"}}
			t.add(who.ID, who.Name, who.Role, who.Tenant, strings.Join(who.Scopes, " "))
			return p.print(who, t)
		},
	}
	r.register(c)
	return c
}

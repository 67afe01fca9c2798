package main

import (
	"github.com/spf13/cobra"

	"tianfu/fault"
	"tianfu/httpapi"
	"tianfu/sensor"
)

// oidcFlags say which identity provider a centre believes.
type oidcFlags struct {
	issuer, client, rules, ca string
	audiences, scopes         []string
}

func (f *oidcFlags) register(c *cobra.Command) {
	fl := c.Flags()
	fl.StringVar(&f.issuer, "oidc-issuer", "", "OpenID Connect provider whose people are let in, such as https://login.example.org/realms/centre")
	fl.StringVar(&f.client, "oidc-client", "", "client ID of this centre there (a public client with PKCE and device flow)")
	fl.StringVar(&f.rules, "oidc-rules", "", "file that says which role its people have here, by their claims")
	fl.StringVar(&f.ca, "oidc-ca", "", "PEM file with the authorities of the provider's certificate")
	fl.StringArrayVar(&f.audiences, "oidc-audience", nil, "take tokens made for this audience too (repeatable)")
	fl.StringArrayVar(&f.scopes, "oidc-scope", []string{"profile", "email", "offline_access"}, "what tianfu login asks for beside openid (repeatable)")
}

// provider returns the provider that is declared; nil for none.
func (f *oidcFlags) provider() (*httpapi.Provider, error) {
	if f.issuer == "" {
		if f.client != "" || f.rules != "" || len(f.audiences) > 0 {
			return nil, fault.New(fault.Invalid, "--oidc-issuer", "is missing", "the other flags of OIDC need it")
		}
		return nil, nil
	}
	rules, err := f.readRules()
	if err != nil {
		return nil, err
	}
	o := httpapi.ProviderOptions{Issuer: f.issuer, Client: f.client, Audiences: f.audiences, Scopes: f.scopes, Rules: rules}
	if f.ca != "" {
		if o.TLS, err = sensor.TLS(f.ca, ""); err != nil {
			return nil, err
		}
	}
	return httpapi.NewProvider(o)
}

// readRules reads who the provider's people are here; nil without a provider.
func (f *oidcFlags) readRules() (*httpapi.ClaimRules, error) {
	if f.issuer == "" {
		return nil, nil
	}
	if f.rules == "" {
		return nil, fault.New(fault.Invalid, "--oidc-rules", "is missing", "without a rule nobody has a role; see docs/identity.md")
	}
	text, err := readBounded(f.rules, 1<<20)
	if err != nil {
		return nil, err
	}
	return httpapi.ParseClaimRules(f.rules, text)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"tianfu/fault"
)

// session is a login at one centre, as it is kept.
type session struct {
	Issuer  string    `json:"issuer"`
	Client  string    `json:"client"`
	Scopes  []string  `json:"scopes,omitempty"`
	CA      string    `json:"ca,omitempty"`
	IDToken string    `json:"id_token"` // what the centre is shown
	Refresh string    `json:"refresh_token,omitempty"`
	Expires time.Time `json:"expires"`
}

// sessions are logins by the centre's address.
type sessions map[string]*session

// renewBefore is how long before its end a token is renewed.
const renewBefore = time.Minute

// serverKey is how an address is kept: with and without a slash is one centre.
func serverKey(server string) string { return strings.TrimSuffix(server, "/") }

// take checks what the provider handed out and keeps it.
func (s *session) take(at *provider, t *oauth2.Token, nonce string) error {
	raw, _ := t.Extra("id_token").(string)
	if raw == "" {
		return fault.New(fault.Denied, "login", "the provider handed out no ID token", "the client must be allowed the scope openid")
	}
	checked, err := at.oidc.Verifier(&oidc.Config{ClientID: s.Client}).Verify(at.ctx, raw)
	if err != nil {
		return &fault.Error{Kind: fault.Denied, Where: "login", What: "check the ID token", Err: err}
	}
	if nonce != "" && checked.Nonce != nonce {
		return fault.New(fault.Denied, "login", "the ID token was made for another login", "try again")
	}
	s.IDToken, s.Expires = raw, checked.Expiry
	if t.RefreshToken != "" {
		s.Refresh = t.RefreshToken
	}
	return nil
}

// renew gets a new ID token for the refresh token.
func (s *session) renew(ctx context.Context) error {
	if s.Refresh == "" {
		return fault.New(fault.Denied, "login", "it has ended", "log in again: tianfu login")
	}
	at, err := s.provider(ctx)
	if err != nil {
		return err
	}
	t, err := at.config.TokenSource(at.ctx, &oauth2.Token{RefreshToken: s.Refresh}).Token()
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) {
		return fault.New(fault.Denied, "login", "the provider does not renew it: "+refused.ErrorCode, "log in again: tianfu login")
	}
	if err != nil {
		return &fault.Error{Kind: fault.Unavailable, Where: s.Issuer, What: "renew the login", Err: err}
	}
	return s.take(at, t, "")
}

// revoke gives the refresh token back (RFC 7009), so that nobody who finds it
// later can use it.
func (s *session) revoke(ctx context.Context) error {
	at, err := s.provider(ctx)
	if err != nil || at.revoke == "" || s.Refresh == "" {
		return err
	}
	form := url.Values{"token": {s.Refresh}, "token_type_hint": {"refresh_token"}, "client_id": {s.Client}}
	r, err := http.NewRequestWithContext(at.ctx, http.MethodPost, at.revoke, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	hc, _ := at.ctx.Value(oauth2.HTTPClient).(*http.Client)
	if hc == nil {
		return fault.New(fault.Internal, "logout", "no client", "")
	}
	reply, err := hc.Do(r)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	if _, err := io.Copy(io.Discard, reply.Body); err != nil || reply.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s", reply.Status)
	}
	return nil
}

// loginToken returns the token of a login at a server, renewed if need be; empty
// where nobody is logged in.
func loginToken(ctx context.Context, server string) (string, error) {
	all, err := readSessions()
	if err != nil {
		return "", err
	}
	s := all[serverKey(server)]
	if s == nil {
		return "", nil
	}
	if time.Until(s.Expires) > renewBefore {
		return s.IDToken, nil
	}
	// Alone: many providers take a refresh token only once.
	err = changeSessions(func(all sessions) error {
		if s = all[serverKey(server)]; s == nil {
			return fault.New(fault.Denied, "login", "it has ended", "log in again: tianfu login")
		}
		if time.Until(s.Expires) > renewBefore {
			return nil // another process was quicker
		}
		return s.renew(ctx)
	})
	if err != nil {
		return "", err
	}
	return s.IDToken, nil
}

// readSessions reads the logins, and changeSessions changes them, alone.
func readSessions() (sessions, error) {
	all := sessions{}
	name, err := keptFile("login.json", "login")
	if err != nil {
		return all, nil // without a home nobody is logged in
	}
	return all, readKept(name, "log in again", &all)
}

func changeSessions(change func(sessions) error) error {
	name, err := keptFile("login.json", "login")
	if err != nil {
		return err
	}
	all := sessions{}
	return changeKept(name, "log in again", &all, func() error { return change(all) })
}

package main

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"tianfu/fault"
)

// deviceFlow lets somebody log in with a browser anywhere (RFC 8628).
func (p *program) deviceFlow(at *provider) (*oauth2.Token, error) {
	if !at.device {
		return nil, fault.New(fault.Unavailable, "login", "the provider has no device flow", "leave --device out")
	}
	asked, err := at.config.DeviceAuth(at.ctx)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(p.err, "open %s and type in %s\n", asked.VerificationURI, asked.UserCode)
	if asked.VerificationURIComplete != "" {
		fmt.Fprintf(p.err, "or open %s\n", asked.VerificationURIComplete)
	}
	return at.config.DeviceAccessToken(at.ctx, asked)
}

// codeFlow lets somebody log in with a browser on this machine, which comes back
// to a port on loopback (RFC 8252). The code is worth nothing without the
// verifier, which never leaves this process.
func (p *program) codeFlow(at *provider, port int) (*oauth2.Token, string, error) {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, "", &fault.Error{Kind: fault.Unavailable, Where: "--port", What: "wait for the browser", Err: err, Fix: "choose another port, or --device"}
	}
	at.config.RedirectURL = fmt.Sprintf("http://%s/callback", l.Addr())
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	back := make(chan comeback, 1)
	s := &http.Server{Handler: callback(state, back), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10}
	go s.Serve(l)
	defer func() {
		// The browser is to see the page before the port is gone.
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		s.Shutdown(ctx)
	}()
	fmt.Fprintf(p.err, "open %s\n", at.config.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier), oidc.Nonce(nonce)))
	select {
	case <-at.ctx.Done():
		return nil, "", at.ctx.Err()
	case b := <-back:
		if b.err != nil {
			return nil, "", b.err
		}
		t, err := at.config.Exchange(at.ctx, b.code, oauth2.VerifierOption(verifier))
		return t, nonce, err
	}
}

// comeback is what the browser brought.
type comeback struct {
	code string
	err  error
}

// callback serves the page that the browser comes back to. Whoever does not know
// the state is somebody else, and is not heard.
func callback(state string, back chan<- comeback) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if r.Method != http.MethodGet || r.URL.Path != "/callback" || subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(state)) != 1 {
			http.NotFound(w, r)
			return
		}
		var b comeback
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if b.code = q.Get("code"); b.code == "" {
			b.err = fault.New(fault.Denied, "login", fmt.Sprintf("the provider answers: %.200q", q.Get("error")+" "+q.Get("error_description")), "")
			fmt.Fprintln(w, "The provider did not let you in. You may close this page.")
		} else {
			fmt.Fprintln(w, "You are logged in. You may close this page.")
		}
		select {
		case back <- b:
		default: // a second visit
		}
	})
}

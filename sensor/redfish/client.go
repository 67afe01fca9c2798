package redfish

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tianfu/fault"
	"tianfu/sensor"
)

// Bounds of requests. Service processors are slow; more than one at a time makes
// some of them fail.
const (
	requestTimeout = 8 * time.Second
	logoutTimeout  = 2 * time.Second
	maxBody        = 1 << 20
	sessions       = "/redfish/v1/SessionService/Sessions"
)

// client speaks to one service.
type client struct {
	root         string // https://host
	user, secret string
	http         *http.Client
	token        string // of the session; empty before it, and where basic authentication is used
	session      string // where it is, to end it
	basic        bool   // the service knows no sessions
}

func newClient(o Options) (*client, error) {
	address := o.Address
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || strings.Trim(u.Path, "/") != "" {
		return nil, fault.New(fault.Invalid, "address", fmt.Sprintf("%.120q is no Redfish service", o.Address), "such as https://bmc-n01; user and secret_env are keys of their own")
	}
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fault.Invalidf("address", "%q is no scheme of Redfish", u.Scheme)
	case u.Scheme == "http" && o.User != "":
		return nil, fault.New(fault.Invalid, "address", "a password would be sent in the clear", "write https://, with ca or fingerprint for a certificate of its own")
	case (o.User == "") != (o.Secret == ""):
		return nil, fault.New(fault.Invalid, "user", "a user and its password belong together", "declare user, and secret_env with a variable that is set")
	}
	c, err := sensor.TLS(o.CA, o.Fingerprint)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{TLSClientConfig: c, MaxIdleConns: 1, MaxConnsPerHost: 1, IdleConnTimeout: 90 * time.Second, ResponseHeaderTimeout: requestTimeout, MaxResponseHeaderBytes: 64 << 10}
	return &client{
		root: u.Scheme + "://" + u.Host, user: o.User, secret: o.Secret,
		http: &http.Client{Transport: transport, Timeout: requestTimeout, CheckRedirect: func(r *http.Request, via []*http.Request) error {
			// The token must not travel to another host.
			if r.URL.Host != u.Host || r.URL.Scheme != u.Scheme || len(via) > 3 {
				return http.ErrUseLastResponse
			}
			return nil
		}},
	}, nil
}

// get reads a resource. A session that the service has ended is opened again,
// once.
func (c *client) get(ctx context.Context, path string) (document, error) {
	fresh := false
	if c.user != "" && c.token == "" && !c.basic {
		if err := c.login(ctx); err != nil {
			return nil, err
		}
		fresh = true
	}
	doc, status, err := c.ask(ctx, http.MethodGet, path, nil)
	if err == nil && status == http.StatusUnauthorized && c.token != "" && !fresh {
		c.token, c.session = "", ""
		if err := c.login(ctx); err != nil {
			return nil, err
		}
		doc, status, err = c.ask(ctx, http.MethodGet, path, nil)
	}
	if err != nil {
		return nil, err
	}
	if err := c.refused(path, status); err != nil {
		return nil, err
	}
	return doc, nil
}

// refused says what a status means.
func (c *client) refused(path string, status int) error {
	where := c.root + path
	switch {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return fault.New(fault.Denied, where, fmt.Sprintf("the service answers %d", status), "check user and secret_env; a role that may read is enough")
	case status == http.StatusNotFound || status == http.StatusGone:
		return fault.New(fault.NotFound, where, "the service has no such resource", "")
	case status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout:
		return fault.New(fault.Unavailable, where, fmt.Sprintf("the service answers %d", status), "")
	}
	return fault.Invalidf(where, "the service answers %d", status)
}

// login opens a session. Where the service knows none, the name and password go
// with every request instead.
func (c *client) login(ctx context.Context) error {
	body, err := json.Marshal(map[string]string{"UserName": c.user, "Password": c.secret})
	if err != nil {
		return &fault.Error{Kind: fault.Internal, Where: c.root, What: "login", Err: err}
	}
	_, status, err := c.ask(ctx, http.MethodPost, sessions, body)
	switch {
	case err != nil:
		return err
	case status == http.StatusNotFound || status == http.StatusMethodNotAllowed || status == http.StatusNotImplemented:
		c.basic = true
		return nil
	case status == http.StatusBadRequest:
		status = http.StatusUnauthorized // some answer a wrong password so
	}
	if err := c.refused(sessions, status); err != nil {
		return err
	}
	if c.token == "" {
		return fault.Invalidf(c.root+sessions, "the session has no token")
	}
	return nil
}

// logout ends the session: services have few.
func (c *client) logout() {
	if c.token != "" && c.session != "" {
		ctx, cancel := context.WithTimeout(context.Background(), logoutTimeout)
		defer cancel()
		c.ask(ctx, http.MethodDelete, c.session, nil)
	}
	c.http.CloseIdleConnections()
}

// ask makes one request and reads a bounded answer.
func (c *client) ask(ctx context.Context, method, path string, body []byte) (document, int, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.root+path, bytes.NewReader(body))
	if err != nil {
		return nil, 0, fault.Invalidf(c.root, "%.120q is no path", path)
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("OData-Version", "4.0")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	switch {
	case c.token != "":
		r.Header.Set("X-Auth-Token", c.token)
	case c.basic:
		r.SetBasicAuth(c.user, c.secret)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, 0, &fault.Error{Kind: fault.Unavailable, Where: c.root, What: "ask", Err: err}
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxBody+1))
	if err != nil {
		return nil, 0, &fault.Error{Kind: fault.Unavailable, Where: c.root + path, What: "read the answer", Err: err}
	}
	if len(text) > maxBody {
		return nil, 0, fault.Invalidf(c.root+path, "the answer is larger than %d bytes", maxBody)
	}
	if method == http.MethodPost && answer.StatusCode < 300 {
		c.token = answer.Header.Get("X-Auth-Token")
		if at, err := url.Parse(answer.Header.Get("Location")); err == nil && resource(at.Path) {
			c.session = at.Path
		}
	}
	var doc document
	if method == http.MethodGet && answer.StatusCode < 300 {
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		if err := d.Decode(&doc); err != nil || doc == nil {
			return nil, 0, fault.Invalidf(c.root+path, "the answer is no JSON document")
		}
	}
	return doc, answer.StatusCode, nil
}

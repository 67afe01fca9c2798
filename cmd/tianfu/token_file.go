package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"tianfu/audit"
	"tianfu/fault"
	"tianfu/httpapi"
)

// readTokens reads the tokens of a data directory.
func readTokens(data string) (*httpapi.Tokens, error) {
	text, err := readBounded(tokenFile(data), 64<<20)
	if err != nil {
		return nil, err
	}
	return httpapi.ParseTokens(text)
}

// firstTokens reads the tokens of a data directory; when there are none yet, an
// operator's token is made and printed.
func (p *program) firstTokens(data string) (*httpapi.Tokens, error) {
	if _, err := os.Stat(tokenFile(data)); errors.Is(err, os.ErrNotExist) {
		secret, err := resetTokens(data)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(p.err, "operator token, shown this once:\n%s\nnext, in another terminal: export TIANFU_TOKEN=tf_... (the line above), then tianfu job submit --name hello --wait -- echo hello\n", secret)
	}
	return readTokens(data)
}

// resetTokens revokes every token and makes an operator's one. A file that
// cannot be read is what reset is for.
func resetTokens(data string) (secret string, err error) {
	err = locked(data, func() error {
		t, err := readTokens(data)
		if err != nil {
			t = &httpapi.Tokens{}
		}
		for _, x := range t.List() {
			t.Revoke(x.ID)
		}
		if secret, _, err = t.Create(httpapi.Grant{Name: "first operator", Role: httpapi.Operator}, time.Now()); err != nil {
			return err
		}
		return saveTokens(data, t)
	})
	return secret, err
}

// changeTokens reads, changes and keeps the tokens, alone: a command and the
// running centre may do so at one time. It returns them as they are kept now.
func changeTokens(data string, change func(*httpapi.Tokens) error) (t *httpapi.Tokens, err error) {
	err = locked(data, func() error {
		if t, err = readTokens(data); err != nil {
			return err
		}
		if err := change(t); err != nil {
			return err
		}
		return saveTokens(data, t)
	})
	return t, err
}

// locked calls f while no other process does.
func locked(data string, f func() error) error {
	name := filepath.Join(data, "tokens.lock")
	l, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return &fault.Error{Kind: fault.Unavailable, Where: name, What: "lock the tokens", Err: err, Fix: "give the data directory of a centre, as its owner"}
	}
	defer l.Close() // which gives the lock back
	if err := unix.Flock(int(l.Fd()), unix.LOCK_EX); err != nil {
		return &fault.Error{Kind: fault.Unavailable, Where: name, What: "lock the tokens", Err: err}
	}
	return f()
}

// saveTokens keeps the tokens, durably and for the owner's eyes.
func saveTokens(data string, t *httpapi.Tokens) error {
	text, err := t.Encode()
	if err != nil {
		return err
	}
	return writePrivate(tokenFile(data), text)
}

// writePrivate writes a file that only its owner may read, whole or not at all,
// and durable when it returns.
func writePrivate(name string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".tianfu-*") // made with mode 0600
	if err == nil {
		defer os.Remove(f.Name())
		_, err = f.Write(text)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = f.Close()
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return &fault.Error{Kind: fault.Unavailable, Where: name, What: "write", Err: err}
	}
	return nil
}

// followTokens takes over changes that the token commands make to the file, and
// records them. A file that cannot be read leaves the tokens as they were, and
// says so.
func followTokens(ctx context.Context, data string, t *httpapi.Tokens, trail *audit.Log, logger *slog.Logger) {
	var last time.Time // none: the file may have changed since it was read
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		st, err := os.Stat(tokenFile(data))
		if err != nil || st.ModTime().Equal(last) {
			continue
		}
		last = st.ModTime()
		fresh, err := readTokens(data)
		if err != nil {
			logger.Warn("the tokens were changed and cannot be read; the old ones hold", "error", err)
			continue
		}
		made, ended := t.Replace(fresh)
		for _, k := range made {
			recordToken(trail, logger, "create token in the data directory", &k)
		}
		for _, k := range ended {
			recordToken(trail, logger, "revoke token in the data directory", &k)
		}
		if len(made)+len(ended) > 0 { // a start finds the file that it has read
			logger.Info("tokens were changed in the data directory", "made", len(made), "ended", len(ended))
		}
	}
}

func recordToken(trail *audit.Log, logger *slog.Logger, action string, k *httpapi.Token) {
	err := trail.Append(audit.Record{Action: action, Target: k.ID, Name: k.Name, Role: string(k.Role), Tenant: string(k.Tenant), Outcome: audit.Allowed})
	if err != nil {
		logger.Error("a change of tokens is not in the audit log", "token", k.ID, "error", err)
	}
}

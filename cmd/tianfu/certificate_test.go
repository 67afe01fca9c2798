package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAWrongKeyFileIsNamedAsTheKey starts a centre with files that are not there, or
// are neither: the error names the flag of the one that is wrong.
func TestAWrongKeyFileIsNamedAsTheKey(t *testing.T) {
	dir := t.TempDir()
	there, gone := filepath.Join(dir, "there.pem"), filepath.Join(dir, "gone.pem")
	if err := os.WriteFile(there, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ cert, key, says string }{
		{there, gone, "--tls-key: read the key: open " + gone},
		{gone, there, "--tls-cert: read the certificate: open " + gone},
		{there, there, "--tls-cert " + there + " with --tls-key " + there + ": are no certificate and its key"},
	} {
		code, _, errs := execute("serve", "--data", filepath.Join(dir, "data"), "--listen", "127.0.0.1:0", "--tls-cert", c.cert, "--tls-key", c.key)
		if code != 2 || !strings.Contains(errs, c.says) || !strings.Contains(errs, "; give the certificate chain") {
			t.Errorf("serve ends with %d: %s; it should say %q", code, errs, c.says)
		}
		if _, out, _ := execute("doctor", "--tls-cert", c.cert, "--tls-key", c.key, "-o", "csv"); !strings.Contains(out, c.says) {
			t.Errorf("doctor says %s; it should say %q", out, c.says)
		}
	}
}

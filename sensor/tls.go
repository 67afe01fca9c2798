package sensor

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"

	"tianfu/fault"
)

// maxCA bounds a file of certificates.
const maxCA = 1 << 20

// TLS returns how an instrument's certificate is checked: by the system's
// authorities, by those in a PEM file, or by the certificate's own SHA-256, which
// is how one trusts what signed itself. There is no way not to check it.
func TLS(ca, fingerprint string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		f, err := os.Open(ca)
		if err != nil {
			return nil, &fault.Error{Kind: fault.Invalid, Where: "ca", What: "open the certificates", Err: err}
		}
		defer f.Close()
		pem, err := io.ReadAll(io.LimitReader(f, maxCA))
		if err != nil {
			return nil, &fault.Error{Kind: fault.Invalid, Where: "ca", What: "read the certificates", Err: err}
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fault.New(fault.Invalid, "ca", ca+" holds no certificate", "give a PEM file")
		}
	}
	if fingerprint == "" {
		return c, nil
	}
	want, err := hex.DecodeString(strings.ReplaceAll(fingerprint, ":", ""))
	if err != nil || len(want) != sha256.Size {
		return nil, fault.New(fault.Invalid, "fingerprint", fmt.Sprintf("%.80q is no SHA-256", fingerprint), "such as: openssl x509 -in cert.pem -noout -fingerprint -sha256")
	}
	// The chain is not checked, the certificate is: this very one.
	c.InsecureSkipVerify = true
	c.VerifyConnection = func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return fault.New(fault.Denied, "", "no certificate was shown", "")
		}
		got := sha256.Sum256(s.PeerCertificates[0].Raw)
		if !bytes.Equal(got[:], want) {
			return fault.New(fault.Denied, "", "the certificate has the fingerprint "+hex.EncodeToString(got[:]), "if it was renewed, declare the new one")
		}
		return nil
	}
	return c, nil
}

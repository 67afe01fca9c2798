package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certificate writes a self-signed certificate that ends after a time.
func certificate(t *testing.T, left time.Duration, mode os.FileMode) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(left), DNSNames: []string{"centre.example"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "EC PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), mode); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// TestDoctorLooksAtCertificates holds the check to what it says of validity.
func TestDoctorLooksAtCertificates(t *testing.T) {
	for _, c := range []struct {
		left time.Duration
		mode os.FileMode
		ok   bool
		fix  string
	}{
		{365 * 24 * time.Hour, 0o600, true, ""},
		{20*24*time.Hour + time.Hour, 0o600, true, "ends in 20 days"},
		{3 * 24 * time.Hour, 0o600, false, "renew"},
		{-time.Minute, 0o600, false, "has expired"},
		{365 * 24 * time.Hour, 0o644, false, "chmod 600"},
	} {
		cert, key := certificate(t, c.left, c.mode)
		ok, fixes := true, ""
		for _, f := range checkCertificate(cert, key) {
			ok, fixes = ok && f.OK, fixes+f.Fix
			if !strings.Contains(f.Detail, "centre.example") && !strings.Contains(f.Detail, "mode") {
				t.Errorf("detail %q", f.Detail)
			}
		}
		if ok != c.ok || !strings.Contains(fixes, c.fix) || c.fix == "" && fixes != "" {
			t.Errorf("%v left, mode %o: ok %v, fix %q; want %v, %q", c.left, c.mode, ok, fixes, c.ok, c.fix)
		}
	}
	if f := checkCertificate("none.pem", "none.pem"); f[0].OK || f[0].Fix == "" {
		t.Errorf("a certificate that is not there: %+v", f)
	}
}

// TestDoctorLooksAtTheRecordLog damages a log and asks doctor.
func TestDoctorLooksAtTheRecordLog(t *testing.T) {
	s := startServer(t)
	find := func(want string, ok bool) {
		t.Helper()
		for _, f := range checkData(s.data) {
			if f.Name == "record log" {
				if f.OK != ok || !strings.Contains(f.Detail, want) || !ok && f.Fix == "" {
					t.Errorf("record log: %+v", f)
				}
				return
			}
		}
		t.Error("doctor says nothing of the record log")
	}
	find("a running centre has it", true)
	s.kill()
	find("whole", true)
	name := filepath.Join(s.data, "records.db")
	if err := os.WriteFile(name, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	find("damage", false)
}

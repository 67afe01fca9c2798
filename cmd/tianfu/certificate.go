package main

import (
	"crypto/tls"
	"os"

	"tianfu/fault"
)

// readCertificate reads what a centre serves TLS with. An error names the flag and
// the file that is wrong, where one of the two is.
func readCertificate(cert, key string) (tls.Certificate, error) {
	const fix = "give the certificate chain and its key in PEM: --tls-cert and --tls-key"
	chain, err := os.ReadFile(cert)
	if err != nil {
		return tls.Certificate{}, &fault.Error{Kind: fault.Invalid, Where: "--tls-cert", What: "read the certificate", Err: err, Fix: fix}
	}
	secret, err := os.ReadFile(key)
	if err != nil {
		return tls.Certificate{}, &fault.Error{Kind: fault.Invalid, Where: "--tls-key", What: "read the key", Err: err, Fix: fix}
	}
	pair, err := tls.X509KeyPair(chain, secret)
	if err != nil {
		return pair, &fault.Error{Kind: fault.Invalid, Where: "--tls-cert " + cert + " with --tls-key " + key, What: "are no certificate and its key", Err: err, Fix: fix}
	}
	return pair, nil
}

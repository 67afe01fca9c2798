package snmp

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/gosnmp/gosnmp"

	"tianfu/fault"
)

// target is where an agent is and how one speaks to it.
type target struct {
	host    string
	port    uint16
	version gosnmp.SnmpVersion
	user    string
	secrets [2]string // community, or authentication and privacy
	auth    gosnmp.SnmpV3AuthProtocol
	priv    gosnmp.SnmpV3PrivProtocol
}

var auths = map[string]gosnmp.SnmpV3AuthProtocol{
	"md5": gosnmp.MD5, "sha": gosnmp.SHA, "sha224": gosnmp.SHA224, "sha256": gosnmp.SHA256, "sha384": gosnmp.SHA384, "sha512": gosnmp.SHA512,
}

var privs = map[string]gosnmp.SnmpV3PrivProtocol{
	"none": gosnmp.NoPriv, "des": gosnmp.DES, "aes": gosnmp.AES, "aes192": gosnmp.AES192, "aes256": gosnmp.AES256, "aes192c": gosnmp.AES192C, "aes256c": gosnmp.AES256C,
}

// parseTarget reads the address: host:port?auth=sha&priv=aes.
func parseTarget(o Options) (target, error) {
	t := target{version: gosnmp.Version2c, user: o.User}
	address, query, _ := strings.Cut(strings.TrimPrefix(o.Address, "udp://"), "?")
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		host, port = strings.Trim(address, "[]"), "161"
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || host == "" || strings.ContainsAny(host, "/@ ") {
		return t, fault.New(fault.Invalid, "address", fmt.Sprintf("%q is no host and port", o.Address), "such as 10.0.0.5:161")
	}
	t.host, t.port = host, uint16(n)
	values, err := url.ParseQuery(query)
	if err != nil {
		return t, fault.Invalidf("address", "after the question mark: %v", err)
	}
	for key := range values {
		if key != "auth" && key != "priv" || o.User == "" {
			return t, fault.New(fault.Invalid, "address", fmt.Sprintf("%q is not known here", key), "auth and priv, where a user is declared")
		}
	}
	if o.Secret == "" {
		return t, fault.New(fault.Invalid, "secret_env", "no community or passphrase is set", "name an environment variable that holds it")
	}
	t.secrets[0] = o.Secret
	if o.User == "" {
		return t, nil
	}
	t.version = gosnmp.Version3
	var okAuth, okPriv bool
	t.auth, okAuth = auths[cmp.Or(values.Get("auth"), "sha")]
	t.priv, okPriv = privs[cmp.Or(values.Get("priv"), "aes")]
	if !okAuth || !okPriv {
		return t, fault.New(fault.Invalid, "address", fmt.Sprintf("?%s names an unknown protocol", query), "auth: md5, sha, sha224, sha256, sha384, sha512; priv: none, des, aes, aes192, aes256, aes192c, aes256c")
	}
	words := strings.Fields(o.Secret)
	if len(words) != 1 && len(words) != 2 {
		return t, fault.New(fault.Invalid, "secret_env", fmt.Sprintf("%d passphrases are set", len(words)), "one for both, or that of authentication, a space, and that of privacy")
	}
	t.secrets = [2]string{words[0], words[len(words)-1]}
	if len(t.secrets[0]) < 8 || len(t.secrets[1]) < 8 {
		return t, fault.Invalidf("secret_env", "a passphrase of SNMP has at least 8 characters")
	}
	return t, nil
}

// String renders the address without what is secret.
func (t *target) String() string {
	return "udp://" + net.JoinHostPort(t.host, strconv.Itoa(int(t.port)))
}

// client makes a client that is not connected.
func (t *target) client(ctx context.Context) *gosnmp.GoSNMP {
	c := &gosnmp.GoSNMP{Target: t.host, Port: t.port, Transport: "udp", Version: t.version, Context: ctx, Timeout: requestTimeout, Retries: 1, MaxOids: perRequest}
	if t.version == gosnmp.Version2c {
		c.Community = t.secrets[0]
		return c
	}
	usm := &gosnmp.UsmSecurityParameters{UserName: t.user, AuthenticationProtocol: t.auth, AuthenticationPassphrase: t.secrets[0], PrivacyProtocol: t.priv}
	c.SecurityModel, c.MsgFlags = gosnmp.UserSecurityModel, gosnmp.AuthNoPriv
	if t.priv != gosnmp.NoPriv {
		c.MsgFlags, usm.PrivacyPassphrase = gosnmp.AuthPriv, t.secrets[1]
	}
	c.SecurityParameters = usm
	return c
}

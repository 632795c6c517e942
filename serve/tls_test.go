package serve_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/credentials"

	"github.com/saspart/saspart/serve"
	"github.com/saspart/saspart/serve/client"
)

// authority signs certificates for 127.0.0.1.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{file: filepath.Join(t.TempDir(), name+".pem")}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert, a.key = sign(t, template, template, nil)
	write(t, a.file, "CERTIFICATE", a.cert.Raw)
	return a
}

// issue writes a certificate and its key.
func (a *authority) issue(t *testing.T, name string) (cert, key string) {
	t.Helper()
	c, k := sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, a.key)
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write(t, cert, "CERTIFICATE", c.Raw)
	write(t, key, "PRIVATE KEY", der)
	return cert, key
}

// sign makes a certificate with a new key; without a signer it signs itself.
func sign(t *testing.T, template, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if by == nil {
		by = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

func write(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Who does not show what is asked for is refused, counted and logged; secrets are not.
func TestStrangersAreRefused(t *testing.T) {
	const token = "a-long-and-secret-token"
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	cert, key := ours.issue(t, "server")
	secure, err := serve.TLSConfig(cert, key, ours.file)
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, "", serve.Default(), serve.Options{Tokens: serve.OneToken(token), TLS: credentials.NewTLS(secure)})
	identity := func(a *authority) []tls.Certificate {
		cert, key := a.issue(t, "job")
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		return []tls.Certificate{pair}
	}
	trusted := func(a *authority) *x509.CertPool {
		pool, err := serve.ReadAuthorities(a.file)
		if err != nil {
			t.Fatal(err)
		}
		return pool
	}
	for _, c := range []struct {
		why    string
		tls    *tls.Config
		token  string
		metric string // what the server counts; "": it lets the client in
		says   string // the error that the client gets
	}{
		{"a friend", &tls.Config{RootCAs: trusted(ours), Certificates: identity(ours)}, token, "", ""},
		{"no token", &tls.Config{RootCAs: trusted(ours), Certificates: identity(ours)}, "", `reason="token"`, "token"},
		{"a wrong token", &tls.Config{RootCAs: trusted(ours), Certificates: identity(ours)}, "wrong-and-also-secret", `reason="token"`, "token"},
		{"no certificate", &tls.Config{RootCAs: trusted(ours)}, token, `reason="tls"`, ""},
		{"a certificate of another authority", &tls.Config{RootCAs: trusted(ours), Certificates: identity(theirs)}, token, `reason="tls"`, ""},
		{"a server of another authority, to the client", &tls.Config{RootCAs: trusted(theirs), Certificates: identity(ours)}, token, `reason="tls"`, "unknown authority"},
		{"in the clear", nil, token, `reason="tls"`, ""},
	} {
		count := func() int {
			n := 0
			for l := range strings.Lines(s.log.String()) {
				if strings.Contains(l, "refused") && strings.Contains(l, strings.ReplaceAll(c.metric, `"`, "")) {
					n++
				}
			}
			return n
		}
		before := count()
		j := newToy(8)
		one := j.attach(t, s.address, "job "+c.why, func(config *client.Config) {
			config.Token = c.token
			if c.tls != nil {
				config.TLS = credentials.NewTLS(c.tls)
			}
		})
		if c.metric == "" {
			attached(t, one)
			continue
		}
		eventually(t, c.why+" is refused", func() bool {
			return count() > before && one.Status().Error != "" || c.tls == nil && count() > before
		})
		if st := one.Status(); st.Connected || st.Attached > 0 || !strings.Contains(st.Error, c.says) {
			t.Errorf("%s: status %+v", c.why, st)
		}
		if !strings.Contains(page(t, s, "/metrics"), "saspart_refused_total{"+c.metric+"}") {
			t.Errorf("%s: not counted", c.why)
		}
		one.Close() // so that it does not try again
	}
	if log := s.log.String(); strings.Contains(log, "secret") {
		t.Errorf("secrets in the log:\n%s", log)
	}
}

package flink

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"testing"
	"time"

	"github.com/saspart/saspart/serve"
)

// A job beyond loopback trusts the certificate made for it, and no other.
func TestEncrypted(t *testing.T) {
	f := newFakeFlink(t)
	e := engineOn(t, f, nil)
	e.encrypt = true
	j := open(t, e, quick(), "hash")
	next(t, j)
	c := f.job().conf
	if c.Authority == "" {
		t.Fatal("the job was not told whom to trust")
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM([]byte(c.Authority))
	if err := dial(c.Server, trusted); err != nil {
		t.Error(err)
	}
	other, err := e.listen(4, time.Second, serve.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := dial(other.at, trusted); err == nil {
		t.Error("a server with another certificate is trusted")
	}
	if err := other.close(); err != nil {
		t.Error(err)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
}

// dial connects, and returns an error if the server's certificate is not trusted.
func dial(address string, trusted *x509.CertPool) error {
	c, err := tls.Dial("tcp", address, &tls.Config{RootCAs: trusted, NextProtos: []string{"h2"}})
	if err != nil {
		return err
	}
	return c.Close()
}

// Certificates are made for names and for addresses.
func TestCertify(t *testing.T) {
	for _, host := range []string{"10.0.0.5", "::1", "driver.example.org"} {
		now := time.Unix(1_800_000_000, 0)
		_, text, err := certify(host, now)
		if err != nil {
			t.Fatal(err)
		}
		trusted := x509.NewCertPool()
		if !trusted.AppendCertsFromPEM([]byte(text)) {
			t.Fatalf("no certificate: %s", text)
		}
		cert := parse(t, text)
		for at, valid := range map[time.Time]bool{now: true, now.Add(-time.Hour): true, now.Add(-48 * time.Hour): false} {
			_, err := cert.Verify(x509.VerifyOptions{DNSName: host, Roots: trusted, CurrentTime: at})
			if (err == nil) != valid {
				t.Errorf("%s, %v after it was made: %v", host, at.Sub(now), err)
			}
		}
		if err := cert.VerifyHostname(net.IPv4(10, 0, 0, 6).String()); err == nil {
			t.Errorf("the certificate of %s is one of another", host)
		}
	}
}

func parse(t *testing.T, text string) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

package serve

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
)

// CheckAddress returns an error for an address that other machines can connect to without
// encryption, unless insecure allows it.
func CheckAddress(address string, secured, insecure bool) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q is no address: write it as host:port, for example 127.0.0.1:7070", address)
	}
	if secured || insecure || loopback(host) {
		return nil
	}
	return fmt.Errorf("%s can be reached from other machines, and connections would be in the clear: give a certificate, listen on 127.0.0.1, or allow it with --insecure", address)
}

// Loopback reports whether an address can be reached from this machine only.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && loopback(host)
}

// loopback reports whether a host is certainly this machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// TLSConfig returns the server's TLS configuration, from PEM files: its certificate and key
// and, unless clientCA is empty, the authorities for the certificates that clients must then
// have.
func TLSConfig(cert, key, clientCA string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", cert, key, err)
	}
	c := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if clientCA != "" {
		if c.ClientCAs, err = ReadAuthorities(clientCA); err != nil {
			return nil, err
		}
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return c, nil
}

// ReadAuthorities reads the certificates of authorities from a PEM file.
func ReadAuthorities(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("certificate authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("certificate authorities: %s holds no certificate in PEM form", file)
	}
	return pool, nil
}

// ReadToken reads a bearer token from a file, without the space around it.
func ReadToken(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if len(token) < 16 || strings.ContainsAny(token, " \t\r\n") {
		return "", errors.New("token: " + file + " must hold one word of at least 16 characters, for example from `openssl rand -hex 32`")
	}
	return token, nil
}

package serve

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"

	"github.com/saspart/saspart/internal/files"
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
// have. Certificate and key are read again when their files have changed.
func TLSConfig(cert, key, clientCA string) (*tls.Config, error) {
	pair := &reloaded[*tls.Certificate]{files: []string{cert, key}, read: func() (*tls.Certificate, error) {
		pair, err := ReadCertificate(cert, key)
		return &pair, err
	}}
	if _, err := pair.get(); err != nil {
		return nil, err
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return pair.get() }}
	var err error
	if clientCA != "" {
		if c.ClientCAs, err = ReadAuthorities(clientCA); err != nil {
			return nil, err
		}
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return c, nil
}

// ReadCertificate reads a certificate and its key, which others must not be able to read, from
// PEM files.
func ReadCertificate(cert, key string) (pair tls.Certificate, err error) {
	public, err := files.Read(cert, files.Text)
	if err == nil {
		var secret []byte
		if secret, err = readSecret(key); err == nil {
			pair, err = tls.X509KeyPair(public, secret)
		}
	}
	if err != nil {
		return pair, fmt.Errorf("certificate %s with key %s: %w", cert, key, err)
	}
	return pair, nil
}

// ReadAuthorities reads the certificates of authorities from a PEM file.
func ReadAuthorities(file string) (*x509.CertPool, error) {
	text, err := files.Read(file, files.Text)
	if err != nil {
		return nil, fmt.Errorf("certificate authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("certificate authorities: %s holds no certificate in PEM form", file)
	}
	return pool, nil
}

// exposed reports whether others than the process and root can read a file with these
// permissions. A file of root's may be readable by its group, for a process that is not
// root's: so Kubernetes mounts secrets. PostgreSQL has the same rule for its keys.
func exposed(perm fs.FileMode, owner, self int) bool {
	if owner == 0 && self != 0 {
		return perm&0o037 != 0
	}
	return owner >= 0 && perm&0o077 != 0
}

// readSecret reads a file that others must not be able to read.
func readSecret(file string) ([]byte, error) {
	f, err := files.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if owner, self := owners(info); exposed(info.Mode().Perm(), owner, self) {
		return nil, fmt.Errorf("%s can be read by others (mode %v): chmod 600 %s", file, info.Mode().Perm(), file)
	}
	return files.ReadAll(f, files.Text)
}

// reloaded is a value that is read from files, and again when they have changed.
type reloaded[T any] struct {
	files []string
	read  func() (T, error)

	mu    sync.Mutex
	stamp string // of the files when they were read
	value T
	there bool
}

// get returns the value. If the files cannot be read, the previous value stays; if there is
// none, that is an error.
func (r *reloaded[T]) get() (T, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	stamp := ""
	for _, f := range r.files {
		if info, err := os.Stat(f); err == nil {
			stamp += fmt.Sprint(info.ModTime().UnixNano(), info.Size(), ";")
		}
	}
	if r.there && stamp == r.stamp {
		return r.value, nil
	}
	value, err := r.read()
	if err != nil && !r.there {
		return value, err
	}
	r.stamp = stamp // a file that cannot be read is tried again when it changes
	if err == nil {
		r.value, r.there = value, true
	}
	return r.value, nil
}

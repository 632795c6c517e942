package serve_test

import (
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"github.com/saspart/saspart/serve"
)

// Secrets that others can read, and pipes, are refused; a token is read again when its file
// changes, and stays while the file has none.
func TestTokenFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	put := func(text string, mode os.FileMode, at int) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		when := time.Unix(1000+int64(at), 0)
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, when, when); err != nil {
			t.Fatal(err)
		}
	}
	put("0123456789abcdef", 0o644, 0)
	if _, err := serve.TokenFile(file); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a token that others can read: %v", err)
	}
	put("0123456789abcdef", 0o600, 1)
	token, err := serve.TokenFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct{ why, text, want string }{
		{"it is read", "0123456789abcdef", "0123456789abcdef"},
		{"it changes", "fedcba9876543210", "fedcba9876543210"},
		{"it is being written", "", "fedcba9876543210"},
	} {
		put(c.text, 0o600, 2+i)
		if got := token(); got != c.want {
			t.Errorf("%s: %q, want %q", c.why, got, c.want)
		}
	}
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	if _, err := serve.ReadToken(pipe); err == nil || !strings.Contains(err.Error(), "regular") {
		t.Errorf("a pipe: %v", err)
	}
}

// A certificate that is replaced is shown to the next client.
func TestCertificatesAreReloaded(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	put := func(name string, at int64) {
		t.Helper()
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{name}}
		c, k := sign(t, template, template, nil)
		der, err := x509.MarshalECPrivateKey(k)
		if err != nil {
			t.Fatal(err)
		}
		write(t, cert, "CERTIFICATE", c.Raw)
		write(t, key, "EC PRIVATE KEY", der)
		when := time.Unix(1000+at, 0)
		for _, f := range []string{cert, key} {
			if err := os.Chtimes(f, when, when); err != nil {
				t.Fatal(err)
			}
		}
	}
	put("first", 0)
	config, err := serve.TLSConfig(cert, key, "")
	if err != nil {
		t.Fatal(err)
	}
	shown := func() string {
		a, b := net.Pipe()
		server := tls.Server(a, config)
		go server.Handshake()
		client := tls.Client(b, &tls.Config{InsecureSkipVerify: true})
		defer a.Close()
		defer b.Close()
		if err := client.Handshake(); err != nil {
			t.Fatal(err)
		}
		return client.ConnectionState().PeerCertificates[0].DNSNames[0]
	}
	if got := shown(); got != "first" {
		t.Errorf("%s is shown first", got)
	}
	put("second", 1)
	if got := shown(); got != "second" {
		t.Errorf("%s is shown after it was replaced", got)
	}
	if err := os.Chmod(key, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := serve.TLSConfig(cert, key, ""); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key that others can read: %v", err)
	}
}

// Reflection is off unless it is asked for.
func TestReflection(t *testing.T) {
	for _, on := range []bool{false, true} {
		s := start(t, "", serve.Default(), serve.Options{Reflect: on})
		conn, err := grpc.NewClient(s.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		st, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
		if err == nil {
			err = st.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}})
		}
		if err == nil {
			_, err = st.Recv()
		}
		if (status.Code(err) == codes.OK) != on {
			t.Errorf("reflection %v: %v", on, err)
		}
	}
}

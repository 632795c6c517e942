package serve

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"path"
	"strings"

	"google.golang.org/grpc"
)

// Token is a secret that clients show, and the jobs that they may attach with it.
type Token struct {
	Secret string
	Jobs   []string // patterns of names, as path.Match has them; none: any name, and the pages
}

// allows reports whether the token is for a job.
func (t *Token) allows(job string) bool {
	for _, pattern := range t.Jobs {
		if ok, _ := path.Match(pattern, job); ok { // patterns were checked when they were read
			return true
		}
	}
	return len(t.Jobs) == 0
}

// Tokens are the tokens that a server accepts.
type Tokens []Token

// OneToken is one token for any job.
func OneToken(secret string) func() Tokens { return func() Tokens { return Tokens{{Secret: secret}} } }

// find returns the token that a client shows, nil if it is none of them, in a time that does
// not depend on the secrets or their lengths.
func (ts Tokens) find(shown string) (found *Token) {
	a := sha256.Sum256([]byte(shown))
	for i := range ts {
		b := sha256.Sum256([]byte(ts[i].Secret))
		if subtle.ConstantTimeCompare(a[:], b[:]) == 1 {
			found = &ts[i]
		}
	}
	return found
}

// ReadToken reads the token that a client shows from a file, without the space around it.
func ReadToken(file string) (string, error) {
	tokens, err := readTokens(file)
	if err == nil && (len(tokens) != 1 || len(tokens[0].Jobs) > 0) {
		err = fmt.Errorf("token: %s must hold one word", file)
	}
	if err != nil {
		return "", err
	}
	return tokens[0].Secret, nil
}

// TokenFile returns the tokens of a file, which is read again when it has changed. While it
// cannot be read, the previous tokens stay. A line has a token and, if the token is for some
// jobs only, patterns of their names; a line that begins with # is a comment.
func TokenFile(file string) (func() Tokens, error) {
	tokens := &reloaded[Tokens]{files: []string{file}, read: func() (Tokens, error) { return readTokens(file) }}
	if _, err := tokens.get(); err != nil {
		return nil, err
	}
	return func() Tokens {
		t, _ := tokens.get() // the first ones could be read, so there are some
		return t
	}, nil
}

func readTokens(file string) (tokens Tokens, err error) {
	text, err := readSecret(file)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	line := 0
	for text := range strings.Lines(string(text)) {
		line++
		words := strings.Fields(text)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		t := Token{words[0], words[1:]}
		if len(t.Secret) < 16 { // never in an error: it is a secret
			return nil, fmt.Errorf("token: %s:%d: a token has at least 16 characters, for example from `openssl rand -hex 32`", file, line)
		}
		if tokens.find(t.Secret) != nil {
			return nil, fmt.Errorf("token: %s:%d: the token was there before; name all its jobs in one line", file, line)
		}
		for _, p := range t.Jobs {
			if _, err := path.Match(p, ""); err != nil {
				return nil, fmt.Errorf("token: %s:%d: %q is no pattern of names", file, line, p)
			}
		}
		tokens = append(tokens, t)
	}
	if len(tokens) == 0 {
		return nil, errors.New("token: " + file + " holds no token; a line has one word of at least 16 characters, for example from `openssl rand -hex 32`")
	}
	return tokens, nil
}

// known is a stream whose client has shown a token.
type known struct {
	grpc.ServerStream
	ctx context.Context
}

// Context implements grpc.ServerStream.
func (k *known) Context() context.Context { return k.ctx }

type tokenKey struct{}

// tokenOf returns the token that was shown on a stream; nil: none is needed.
func tokenOf(ctx context.Context) *Token {
	t, _ := ctx.Value(tokenKey{}).(*Token)
	return t
}

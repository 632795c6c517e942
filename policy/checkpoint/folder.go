package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/saspart/saspart/internal/files"
)

// The files of a checkpoint that serving needs.
const (
	manifestFile = "manifest.json"
	policyFile   = "policy.safetensors"
)

// Save writes a checkpoint to the folder dir and replaces an existing one. At any
// moment, also after a crash, the folder holds either the old checkpoint or the new one. Save
// sets Format and Digest. The functions extra may write more files into the folder that will
// become dir.
func Save(dir string, c *Checkpoint, extra ...func(folder string) error) error {
	c.Format = Format
	if err := errors.Join(c.Validate(), c.Network()); err != nil {
		return fmt.Errorf("save checkpoint %s: %w", dir, err)
	}
	var tensors bytes.Buffer
	if err := WriteTensors(&tensors, c.Tensors); err != nil {
		return fmt.Errorf("save checkpoint %s: %w", dir, err)
	}
	c.Digest = digest(tensors.Bytes())
	whole, err := c.whole()
	if err != nil {
		return fmt.Errorf("save checkpoint %s: %w", dir, err)
	}
	c.Whole = whole
	manifest, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("save checkpoint %s: %w", dir, err)
	}
	err = replaceFolder(dir, func(folder string) error {
		if err := os.WriteFile(filepath.Join(folder, policyFile), tensors.Bytes(), 0o644); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, manifestFile), append(manifest, '\n'), 0o644); err != nil {
			return err
		}
		for _, write := range extra {
			if err := write(folder); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("save checkpoint %s: %w", dir, err)
	}
	return nil
}

// Load reads the checkpoint in the folder dir. Whatever is not exactly a
// checkpoint is refused with the file and what is wrong with it.
func Load(dir string) (*Checkpoint, error) {
	c, err := Read(files.Dir(dir))
	if err != nil {
		return nil, fmt.Errorf("load checkpoint %s: %w", dir, err)
	}
	return c, nil
}

// Read reads the checkpoint at the root of a file system, as Load
// does.
func Read(fsys fs.FS) (*Checkpoint, error) {
	data, err := readBounded(fsys, manifestFile, mostManifest)
	if err != nil {
		return nil, err
	}
	c, err := parseManifest(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", manifestFile, err)
	}
	if c.Whole != "" {
		sum, err := c.whole()
		if err == nil && sum != c.Whole {
			err = fmt.Errorf("has SHA-256 %s, not %s as it says: the file is damaged", sum, c.Whole)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", manifestFile, err)
		}
	}
	_, parameters := c.size()
	if data, err = readBounded(fsys, policyFile, int64(4*parameters+mostHeader)); err != nil {
		return nil, err
	}
	if sum := digest(data); sum != c.Digest {
		return nil, fmt.Errorf("%s: has SHA-256 %s, not %s as %s says: the file is damaged or belongs to another checkpoint",
			policyFile, sum, c.Digest, manifestFile)
	}
	if err := c.parseTensors(data); err != nil {
		return nil, fmt.Errorf("%s: %w", policyFile, err)
	}
	return c, nil
}

// parseTensors reads policy.safetensors and checks that it is what the manifest says.
func (c *Checkpoint) parseTensors(data []byte) (err error) {
	if c.Tensors, err = ParseTensors(data); err != nil {
		return err
	}
	return c.Network()
}

// readBounded reads a file of at most limit bytes.
func readBounded(fsys fs.FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return files.ReadAll(f, limit)
}

// whole is what Whole must be.
func (c *Checkpoint) whole() (string, error) {
	without := *c
	without.Whole = ""
	data, err := json.Marshal(&without)
	return digest(data), err
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// replaceFolder fills a new folder, makes it durable and puts it in the place of dir. The new
// folder is a hidden sibling of dir with a fixed name, so that the next call removes the
// remains of a crash. Two processes must not replace one folder at once. A folder that holds
// anything but a checkpoint is not replaced.
func replaceFolder(dir string, write func(folder string) error) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	// Never in place of something precious.
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		if _, err := os.Lstat(filepath.Join(dir, manifestFile)); err != nil {
			return errors.New("the folder holds other files and no checkpoint; name a new or an empty one")
		}
	}
	parent := filepath.Dir(dir)
	folder := filepath.Join(parent, "."+filepath.Base(dir)+".new")
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	if err = write(folder); err == nil {
		err = files.Exchange(folder, dir)
	}
	// After the exchange, folder is the old checkpoint; after an error, an unfinished one.
	return errors.Join(err, os.RemoveAll(folder))
}

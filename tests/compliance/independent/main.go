// Checks what Sallyport proves with code that others wrote: checkpoints with golang.org/x/mod/sumdb/note (the C2SP signed-note
// reference), inclusion and consistency proofs with github.com/transparency-dev/merkle (the implementation behind Trillian).
//
// Reads cases as JSON from standard input and prints how many were right; anything wrong ends it with a message.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
)

type cases struct {
	Key         string
	Checkpoints []string
	Refused     []string
	Inclusion   []struct {
		Index, Size uint64
		Entry, Root []byte
		Proof       [][]byte
	}
	Consistency []struct {
		Old, Size     uint64
		OldRoot, Root []byte
		Proof         [][]byte
	}
}

func main() {
	var given cases
	if err := json.NewDecoder(os.Stdin).Decode(&given); err != nil {
		log.Fatal(err)
	}
	verifier, err := note.NewVerifier(given.Key)
	if err != nil {
		log.Fatal(err)
	}
	keys := note.VerifierList(verifier)
	for _, text := range given.Checkpoints {
		if _, err := note.Open([]byte(text), keys); err != nil {
			log.Fatalf("checkpoint: %v", err)
		}
	}
	for _, text := range given.Refused {
		if _, err := note.Open([]byte(text), keys); err == nil {
			log.Fatal("a forged checkpoint was taken")
		}
	}
	for _, one := range given.Inclusion {
		leaf := rfc6962.DefaultHasher.HashLeaf(one.Entry)
		if err := proof.VerifyInclusion(rfc6962.DefaultHasher, one.Index, one.Size, leaf, one.Proof, one.Root); err != nil {
			log.Fatalf("inclusion of %d in %d: %v", one.Index, one.Size, err)
		}
	}
	for _, one := range given.Consistency {
		err := proof.VerifyConsistency(rfc6962.DefaultHasher, one.Old, one.Size, one.Proof, one.OldRoot, one.Root)
		if err != nil {
			log.Fatalf("consistency of %d with %d: %v", one.Old, one.Size, err)
		}
	}
	fmt.Println(len(given.Checkpoints)+len(given.Refused), len(given.Inclusion), len(given.Consistency))
}

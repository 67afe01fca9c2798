package main

// openbSums are the checksums of the openb files at the publisher's commit
// 7a6c496e4f4b, in the order of publicTraces.
var openbSums = [...]string{
	"2beca64b4d3dfa342036a34b56a495c6cef9225db836c81f541282cb1df320b5",
	"1ee7ed79c27a3b0861cda8ddba86a004c6aba904caafa329a76ae93ca63834a8",
	"206f2f5959db30ecb7c44e7f13197c8ec50b7a35558ad3777cc3662ef0fe5373",
	"12dbc07d6a49bf8641e2275a2ff5bf7be74b5df7d148d531e135b140b95f9a3d",
	"eca4f746db1e5b25864ad021b55ece3943e101a3ebd4574d09dcb95c46117652",
}

module tianfu

go 1.26

#!/bin/sh
# Stands in for az or azd: does what the test wrote for it. Not written by the test itself, since a file that was just
# written can't always be started ("text file busy") while other tests start programs.
. "$HOME/${0##*/}.script"

"""Events on the wire: CloudEvents, and the commands and facts they carry."""

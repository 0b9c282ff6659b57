int cmd_study(int argc, char **argv); int cmd_study(int argc, char **argv) { (void)argc; (void)argv; return 0; }

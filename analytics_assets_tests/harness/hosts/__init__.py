"""Several hosts on one machine: namespaces with a network, processes and files of their own."""

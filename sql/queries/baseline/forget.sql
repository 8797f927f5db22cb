-- Removes the cells of days before one. A few days' cells are there: a scan.
delete from baselines where day < $1
